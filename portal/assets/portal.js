// Our own script, and all of it: ages that grow, details that stay open and focus that stays where it was when a region is
// drawn anew, keys of lists, and the word that live updates are lost.
(function () {
  "use strict";
  var lang = document.documentElement.lang;
  var words = window.Intl && Intl.RelativeTimeFormat ? new Intl.RelativeTimeFormat(lang, { numeric: "always" }) : null;

  function grow() {
    if (!words) return;
    document.querySelectorAll("main time[datetime]").forEach(function (time) {
      var seconds = Math.round((Date.parse(time.dateTime) - Date.now()) / 1000);
      var size = Math.abs(seconds);
      var unit = size < 60 ? ["second", 1] : size < 3600 ? ["minute", 60] : size < 172800 ? ["hour", 3600] : ["day", 86400];
      time.textContent = words.format(Math.trunc(seconds / unit[1]), unit[0]);
    });
  }

  function lost(is) {
    var note = document.querySelector(".lost-live");
    if (note) note.hidden = !is;
  }

  // The rows of the list that has the focus; single keys mean something only there (WCAG 2.1.4).
  var ROWS = "tbody th a[href], .waiting h2 a[href]";
  function rows() {
    return Array.prototype.slice.call(document.querySelectorAll("#list tbody th a[href], #list .waiting h2 a[href]"));
  }

  function help() {
    var keys = document.getElementById("keys");
    if (keys) keys.hidden = rows().length === 0;
    return keys;
  }

  function move(by) {
    var all = rows();
    var row = document.activeElement.closest("tr, .waiting > li");
    var at = all.indexOf(row && row.querySelector(ROWS));
    var next = all[at < 0 ? 0 : Math.max(0, Math.min(all.length - 1, at + by))];
    if (next) next.focus();
  }

  function ofList(event) {
    var at = document.activeElement;
    if (event.ctrlKey || event.metaKey || event.altKey || !at || !at.closest("#list") || at.matches("input, select, textarea")) return;
    var find = document.getElementById("q");
    if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "/" && find) find.focus();
    else if (event.key === "?") {
      var keys = help();
      keys.open = !keys.open;
      keys.querySelector("summary").focus();
    } else return;
    event.preventDefault();
  }
  document.addEventListener("keydown", ofList);
  help();

  var open = new Set();
  var focused = null;
  document.addEventListener("htmx:beforeSwap", function (event) {
    event.detail.target.querySelectorAll("details[id]").forEach(function (details) {
      if (details.open) open.add(details.id); else open.delete(details.id);
    });
    var at = document.activeElement;
    focused = event.detail.target.contains(at) && !at.id ? at.getAttribute("href") : null;
  });
  document.addEventListener("htmx:afterSettle", function () {
    open.forEach(function (id) {
      var details = document.getElementById(id);
      if (details) details.open = true;
    });
    if (focused) {
      var same = Array.prototype.find.call(document.querySelectorAll("main a[href]"), function (link) {
        return link.getAttribute("href") === focused;
      });
      if (same) same.focus();
      focused = null;
    }
    help();
    grow();
  });
  document.addEventListener("htmx:sseOpen", function () { lost(false); });
  document.addEventListener("htmx:sseError", function () { lost(true); });
  document.addEventListener("click", function (event) {
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      if (!menu.contains(event.target)) menu.open = false;
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Escape") return;
    document.querySelectorAll("details.menu[open]").forEach(function (menu) {
      menu.open = false;
      menu.querySelector("summary").focus();
    });
  });
  document.addEventListener("keydown", function (event) {
    if (event.key.toLowerCase() !== "k" || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    var find = document.getElementById("find");
    if (!find) return;
    event.preventDefault();
    find.focus();
    find.select();
  });
  setInterval(grow, 15000);
})();
