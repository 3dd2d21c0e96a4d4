// Our own script, and all of it: ages that grow, details that stay open, and the word that live updates are lost.
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

  var open = new Set();
  document.addEventListener("htmx:beforeSwap", function (event) {
    event.detail.target.querySelectorAll("details[id]").forEach(function (details) {
      if (details.open) open.add(details.id); else open.delete(details.id);
    });
  });
  document.addEventListener("htmx:afterSettle", function () {
    open.forEach(function (id) {
      var details = document.getElementById(id);
      if (details) details.open = true;
    });
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
