// The script of the page of the moment: looks again by a fixed clock, the same for all who look,
// while the page is in sight. Without it a link does.

import "./sections.js";

interface States {
  on: string;
  paused: string;
  trouble: string;
}

const pulse = document.getElementById("pulse");
const every = Number(document.getElementById("live")?.dataset.every) * 1000;
const states = JSON.parse(pulse?.dataset.states ?? "{}") as States;

function say(state: keyof States): void {
  if (!pulse) return;
  pulse.className = `pulse ${state}`;
  pulse.textContent = states[state];
}

async function look(): Promise<void> {
  try {
    const response = await fetch(location.href, { redirect: "error" });
    if (!response.ok) throw new Error(String(response.status));
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const [fresh, shown] = [page.getElementById("live"), document.getElementById("live")];
    if (!fresh || !shown) throw new Error("not the page that was asked for");
    // Only what is new is put in place: whoever reads or listens is not disturbed.
    if (fresh.innerHTML !== shown.innerHTML && !shown.querySelector("details[open]")) {
      shown.replaceChildren(...fresh.childNodes);
    }
    say("on");
  } catch {
    say("trouble");
  }
}

let waiting = 0;
function next(): void {
  clearTimeout(waiting);
  waiting = setTimeout(
    async () => {
      await look();
      if (!document.hidden) next();
    },
    every - (Date.now() % every),
  );
}

document.addEventListener("visibilitychange", () => {
  clearTimeout(waiting);
  if (document.hidden) {
    say("paused");
  } else {
    void look().then(next);
  }
});
say(document.hidden ? "paused" : "on");
if (!document.hidden) next();
