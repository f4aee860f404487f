// Follows what happens: when something has changed, the page is taken anew, and those of its parts marked data-live that differ are
// put in. What somebody is at stays as it is, and the page says so. Without this script, the link beside the time does the same.
"use strict";
(() => {
  if (!document.querySelector("[data-live]") || !window.EventSource) return;
  let source = null;
  let failures = 0;
  let busy = false;
  let again = false;
  let late = false;

  const note = (id, shown) => { document.getElementById(id).hidden = !shown; };

  // Whether a form in this part is being filled in.
  const isWrittenIn = (part) => {
    const fields = [...part.querySelectorAll("input, select, textarea")];
    return fields.some((field) => field === document.activeElement || field.checked !== field.defaultChecked
      || (field.defaultValue !== undefined && field.value !== field.defaultValue));
  };

  // The links and buttons of a part that stand for the same as this one.
  const alike = (part, one) => [...part.querySelectorAll("a, button, summary")].filter((other) => other.id === one.id
    && other.value === one.value && other.getAttribute("href") === one.getAttribute("href"));

  // Puts in what is new, and the focus back where it was. Says whether it could.
  const put = (old, fresh) => {
    if (old.innerHTML === fresh.innerHTML) return true;
    if (isWrittenIn(old)) return false;
    const focus = old.contains(document.activeElement) ? document.activeElement : null;
    const next = focus && alike(fresh, focus)[alike(old, focus).indexOf(focus)];
    if (focus && !next) return false;
    old.replaceChildren(...fresh.childNodes);
    if (next) next.focus({ preventScroll: true });
    return true;
  };

  const take = async () => {
    if (busy) { again = true; return; }
    busy = true;
    let current = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html", "Sluss-Follows": "1" }, redirect: "error" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const parts = [...document.querySelectorAll("[data-live]")].map((old) => [old, page.getElementById(old.id)]);
        late = parts.filter(([old, fresh]) => fresh && !put(old, fresh)).length > 0;
        note("late", late);
        current = true;
      }
    } catch (fault) {
      // The session has ended, or nobody answers: the page says that it is not current, and the next event tries again.
    }
    note("unfollowed", !current);
    busy = false;
    if (again) { again = false; take(); }
  };

  // Only what somebody sees is followed: a browser opens few connections to one host, and each page that follows keeps one.
  const follow = () => {
    if (document.hidden && source) { source.close(); source = null; }
    if (document.hidden || source) return;
    source = new EventSource("/live");
    source.addEventListener("changed", take);
    // Something may have happened between the page and its first event, or while the connection was away.
    source.addEventListener("open", () => { failures = 0; take(); });
    source.addEventListener("error", () => {
      failures += 1;
      if (failures > 1 || source.readyState === EventSource.CLOSED) note("unfollowed", true);
    });
  };
  document.addEventListener("visibilitychange", follow);
  document.addEventListener("focusout", () => { if (late) take(); });
  follow();
})();
