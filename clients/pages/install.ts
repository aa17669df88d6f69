// The script of the page that says how a site is set up: copies code, and looks by a fixed clock
// whether the first event has come. Without it the page says the same when it is loaded again.

interface FirstEvent {
  state: string;
  reason: string;
}

for (const button of document.querySelectorAll<HTMLButtonElement>("button.copy")) {
  const code = document.getElementById(button.dataset.copy ?? "");
  const label = button.firstChild;
  if (!code || !label) continue;
  button.addEventListener("click", async () => {
    let done = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent ?? "");
    } catch {
      // Without https there is no clipboard: what is selected can be copied by hand.
      getSelection()?.selectAllChildren(code);
      done = "Selected";
    }
    label.textContent = done;
    setTimeout(() => {
      label.textContent = "Copy";
    }, 2000);
  });
}

/** Shows what the page says now. */
async function renew(box: HTMLElement): Promise<void> {
  const response = await fetch(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const [now, then] = [page.getElementById("first-said"), document.getElementById("first-said")];
  const fresh = page.getElementById("first");
  if (!now || !then || !fresh) throw new Error("not the page that was asked for");
  then.replaceChildren(...now.childNodes);
  box.className = fresh.className;
  Object.assign(box.dataset, fresh.dataset);
}

async function look(box: HTMLElement): Promise<void> {
  const trouble = box.querySelector<HTMLElement>(".trouble");
  try {
    const response = await fetch(box.dataset.look ?? "", { redirect: "error" });
    if (!response.ok) throw new Error(String(response.status));
    const found = (await response.json()) as FirstEvent;
    if (found.state !== box.dataset.state || found.reason !== box.dataset.reason) await renew(box);
    if (trouble) trouble.hidden = true;
  } catch {
    if (trouble) trouble.hidden = false;
  }
}

const box = document.getElementById("first");
if (box && box.dataset.state !== "received") {
  const every = Number(box.dataset.every) * 1000;
  const next = (): void => {
    // By the clock and not by when the page was opened: all who look see the same at once.
    setTimeout(
      async () => {
        if (!document.hidden) await look(box);
        if (box.dataset.state === "received") box.querySelector("details")?.remove();
        else next();
      },
      every - (Date.now() % every),
    );
  };
  next();
}
