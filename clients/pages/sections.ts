// The script of the pages beside the overview: menus and explanations close when they are left.
// Without it they close as they were opened.

const kinds = "details.menu, details.explain";

function close(except: EventTarget | null): void {
  for (const open of document.querySelectorAll<HTMLDetailsElement>(kinds)) {
    if (!(except instanceof Node && open.contains(except))) open.open = false;
  }
}

document.addEventListener("click", (event) => close(event.target));
document.addEventListener("focusin", (event) => close(event.target));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const open = document.querySelector<HTMLDetailsElement>(
    "details.menu[open], details.explain[open]",
  );
  close(null);
  open?.querySelector("summary")?.focus();
});

// A link to a form leads into it.
function lead(): void {
  const target = document.getElementById(location.hash.slice(1));
  if (target instanceof HTMLDetailsElement) target.open = true;
}
addEventListener("hashchange", lead);
lead();
document.getElementById("refused")?.scrollIntoView({ block: "center" });
