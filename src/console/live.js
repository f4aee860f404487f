// Follows what happens: takes the parts marked data-live from the page anew when something changed. Without it, the
// link beside the time does the same.
"use strict";
(() => {
  if (!document.querySelector("[data-live]") || !window.EventSource) return;
  let busy = false;
  let again = false;
  const take = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const old of document.querySelectorAll("[data-live]")) {
          const fresh = page.getElementById(old.id);
          // What somebody is at stays as it is.
          const used = old.contains(document.activeElement) || [...old.querySelectorAll("input")].some((field) => field.value !== field.defaultValue);
          if (fresh && !used) old.replaceWith(document.adoptNode(fresh));
        }
      }
    } catch (fault) {
      // The next event tries again.
    }
    busy = false;
    if (again) { again = false; take(); }
  };
  new EventSource("/live").addEventListener("changed", take);
})();
