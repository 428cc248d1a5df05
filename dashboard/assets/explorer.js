// The Explorer: drawing a selection, conditions that are typed, one request in a drawer, and the live tail.
(function () {
  "use strict";
  var change = function (keys) { window.gatewatch.change(keys); };
  var MOST = 500;

  // As on the server: what could hide or turn letters around is made visible.
  function plain(value) {
    return String(value).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu, "\ufffd").slice(0, 500);
  }
  function make(tag, name, text) {
    var one = document.createElement(tag);
    if (name) one.className = name;
    if (text !== undefined) one.textContent = plain(text);
    return one;
  }

  // A selection in the address: from~to~low~high~condition.
  function written(parts) { return parts.join("~").replace(/~+$/, "") || null; }

  document.addEventListener("submit", function (event) {
    var form = event.target.closest && event.target.closest("[data-form]");
    if (!form) return;
    event.preventDefault();
    if (form.dataset.form === "condition") {
      var entry = form.querySelector("input");
      var text = entry.value.trim();
      if (!text) return;
      var all = new URLSearchParams(window.location.search).getAll("f");
      entry.value = "";
      change({ f: all.indexOf(text) < 0 ? all.concat(text) : all, cursor: null });
    } else {
      var values = ["since", "until", "low", "high"].map(function (name) {
        return form.querySelector("#explorer-" + name).value.trim().replace(/~/g, "").replace(" ", "T");
      });
      change({ sel: written(values.concat(form.dataset.term)), cursor: null });
    }
  });

  // Drawing across the chart. Plotly's own selection knows no heat maps.
  var drawn = null;
  function mode(frame) {
    var on = frame.parentElement.querySelector("[data-mode][aria-pressed='true']");
    return on ? on.dataset.mode : "time";
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-mode]");
    if (!button) return;
    button.parentElement.querySelectorAll("[data-mode]").forEach(function (one) {
      one.setAttribute("aria-pressed", one === button ? "true" : "false");
    });
  });
  document.addEventListener("pointerdown", function (event) {
    var frame = event.target.closest && event.target.closest(".explorer-brush");
    var plot = frame && frame.querySelector(".nsewdrag, .plotbg, .bglayer rect, .draglayer rect");
    if (!plot || event.button !== 0 || event.pointerType === "touch") return;
    var box = plot.getBoundingClientRect();
    if (event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom) return;
    event.preventDefault();
    var area = make("div", "brush-area explorer-area");
    document.body.appendChild(area);
    drawn = { frame: frame, box: box, area: area, x: event.clientX, y: event.clientY, mode: mode(frame) };
    drawn.x2 = drawn.x;
    drawn.y2 = drawn.y;
  }, true);
  document.addEventListener("pointermove", function (event) {
    if (!drawn) return;
    var box = drawn.box;
    drawn.x2 = Math.min(Math.max(event.clientX, box.left), box.right);
    drawn.y2 = Math.min(Math.max(event.clientY, box.top), box.bottom);
    var time = drawn.mode !== "latency", latency = drawn.mode !== "time";
    var left = time ? Math.min(drawn.x, drawn.x2) : box.left, right = time ? Math.max(drawn.x, drawn.x2) : box.right;
    var top = latency ? Math.min(drawn.y, drawn.y2) : box.top, bottom = latency ? Math.max(drawn.y, drawn.y2) : box.bottom;
    var style = drawn.area.style;
    style.left = left + "px";
    style.width = right - left + "px";
    style.top = top + "px";
    style.height = bottom - top + "px";
  });
  document.addEventListener("pointerup", function () {
    if (!drawn) return;
    var one = drawn, box = one.box;
    drawn = null;
    one.area.remove();
    var time = one.mode !== "latency", latency = one.mode !== "time";
    if ((time && Math.abs(one.x - one.x2) < 4) || (latency && Math.abs(one.y - one.y2) < 4)) return;
    var since = Date.parse(one.frame.dataset.from), until = Date.parse(one.frame.dataset.to);
    var at = function (x) {
      var ms = since + (until - since) * (x - box.left) / box.width;
      return new Date(Math.round(ms / 60000) * 60000).toISOString().slice(0, 16) + ":00Z";
    };
    var edges = JSON.parse(one.frame.dataset.edges || "[]");
    var ms = function (y) {
      var place = Math.round(edges.length * (box.bottom - y) / box.height);
      return place <= 0 || place >= edges.length ? "" : String(edges[place]);
    };
    var parts = ["", "", "", "", one.frame.dataset.term || ""];
    if (time) {
      parts[0] = at(Math.min(one.x, one.x2));
      parts[1] = at(Math.max(one.x, one.x2));
      if (parts[0] === parts[1]) return;
    }
    if (latency && edges.length) {
      parts[2] = ms(Math.max(one.y, one.y2));
      parts[3] = ms(Math.min(one.y, one.y2));
    }
    change({ sel: written(parts), cursor: null });
  });

  // One request, with every field it has; everything is set as text.
  var SEARCHED = ["api", "stage", "route", "method", "path", "status", "reject_cause", "client_id", "client_ip", "principal",
    "api_key_id", "user_agent", "error_type", "trace_id", "integration_status", "domain", "tls_version", "waf_action"];
  function show(request) {
    var dialog = document.getElementById("explorer-drawer");
    if (!dialog) return;
    dialog.replaceChildren();
    var head = make("div", "drawer-head");
    head.appendChild(make("h2", "", "Request"));
    var close = make("button", "plain-button", "Close");
    close.addEventListener("click", function () { dialog.close(); });
    head.appendChild(close);
    dialog.appendChild(head);
    var list = make("dl", "drawer-fields");
    Object.keys(request).forEach(function (name) {
      if (request[name] === null) return;
      list.appendChild(make("dt", "", name.replace(/_/g, " ")));
      var value = make("dd", "");
      value.appendChild(make("span", "raw", request[name]));
      if (SEARCHED.indexOf(name) >= 0) {
        var like = make("button", "include", "only these");
        like.setAttribute("aria-label", "Only requests with this " + name.replace(/_/g, " "));
        like.addEventListener("click", function () {
          dialog.close();
          var all = new URLSearchParams(window.location.search).getAll("f");
          change({ f: all.concat(name + " = " + request[name]), cursor: null });
        });
        value.appendChild(like);
      }
      list.appendChild(value);
    });
    dialog.appendChild(list);
    var copy = make("div", "copied");
    copy.appendChild(make("pre", "command hidden", ""));
    copy.firstChild.textContent = JSON.stringify(request, null, 2);
    copy.appendChild(make("button", "plain-button copy", "Copy"));
    dialog.appendChild(copy);
    dialog.showModal();
  }
  document.addEventListener("click", function (event) {
    var button = event.target.closest && event.target.closest("[data-request]");
    if (button) show(JSON.parse(button.dataset.request));
  });

  // The live tail. One stream at a time, closed as soon as its place is gone.
  var tail = null;
  function stop() {
    if (tail) tail.source.close();
    tail = null;
  }
  function begin(place) {
    stop();
    var one = { place: place, url: place.dataset.stream, shown: 0, total: 0, waiting: [], paused: false, over: false, times: [] };
    one.source = new EventSource(one.url);
    one.source.addEventListener("open", function () { said(one); });
    one.source.addEventListener("error", function () { said(one, "the stream broke off; it comes again by itself"); });
    one.source.addEventListener("problem", function (event) { said(one, JSON.parse(event.data).detail); });
    one.source.addEventListener("requests", function (event) {
      var told = JSON.parse(event.data);
      one.shown += told.shown;
      one.total += told.total;
      one.times.push([Date.now(), told.total]);
      one.waiting = one.waiting.concat(told.requests);
      if (one.waiting.length > MOST) one.waiting = one.waiting.slice(-MOST);
      draw(one);
    });
    tail = one;
    said(one);
  }
  function said(one, problem) {
    var spot = document.getElementById("tail-said");
    if (!spot) return;
    var now = Date.now();
    one.times = one.times.filter(function (pair) { return now - pair[0] < 10000; });
    var rate = one.times.reduce(function (sum, pair) { return sum + pair[1]; }, 0) / 10;
    var text = problem || (one.total
      ? "showing " + one.shown.toLocaleString("en") + " of " + one.total.toLocaleString("en") + " · " + rate.toFixed(1) + " a second"
      : "connected; no request has come yet");
    if (one.paused || one.over) text += " · paused, " + one.waiting.length + " wait";
    spot.textContent = plain(text);
  }
  // A request's time by the clock of the page.
  var clock = null, zone = null;
  function at(text) {
    if (!text) return "";
    var asked = new URLSearchParams(window.location.search).get("tz") || "UTC";
    if (asked !== zone) {
      var style = { hour: "2-digit", minute: "2-digit", second: "2-digit", fractionalSecondDigits: 3, hourCycle: "h23", timeZone: asked };
      try { clock = new Intl.DateTimeFormat("en-GB", style); }
      catch (error) { clock = new Intl.DateTimeFormat("en-GB", Object.assign(style, { timeZone: "UTC" })); }
      zone = asked;
    }
    return clock.format(new Date(text));
  }
  function draw(one) {
    var rows = document.getElementById("tail-rows");
    if (rows && !one.paused && !one.over) {
      var made = document.createDocumentFragment();
      one.waiting.splice(0).reverse().forEach(function (request) { made.appendChild(line(request)); });
      rows.prepend(made);
      while (rows.childElementCount > MOST) rows.lastElementChild.remove();
    }
    said(one);
  }
  function line(request) {
    var row = make("button", "tail-row");
    row.type = "button";
    row.appendChild(make("span", "tail-at", at(request.at)));
    row.appendChild(make("span", "tail-status status-" + Math.floor((request.status || 0) / 100) + "xx", request.status || "–"));
    row.appendChild(make("span", "tail-route", request.route || request.path || "–"));
    row.appendChild(make("span", "tail-ms", request.latency_ms === null ? "–" : Math.round(request.latency_ms) + " ms"));
    row.appendChild(make("span", "tail-who", (request.client_id || "–").replace(/^\w+:/, "")));
    row.appendChild(make("span", "tail-cause", (request.reject_cause || "").replace(/_/g, " ")));
    row.addEventListener("click", function () { show(request); });
    return row;
  }
  function follow() {
    var place = document.getElementById("tail");
    if (!place) { stop(); return; }
    if (!tail || tail.url !== place.dataset.stream || tail.place !== place) {
      begin(place);
      var rows = document.getElementById("tail-rows");
      rows.replaceChildren();
      rows.addEventListener("mouseenter", function () { if (tail) { tail.over = true; said(tail); } });
      rows.addEventListener("mouseleave", function () { if (tail) { tail.over = false; draw(tail); } });
    }
  }
  document.addEventListener("click", function (event) {
    if (!tail || !event.target.closest) return;
    var pause = event.target.closest("#tail-pause");
    if (pause) {
      tail.paused = !tail.paused;
      pause.setAttribute("aria-pressed", tail.paused ? "true" : "false");
      pause.textContent = tail.paused ? "Go on (key p)" : "Pause (key p)";
      draw(tail);
    }
    if (event.target.closest("#tail-empty")) {
      tail.waiting = [];
      tail.shown = tail.total = 0;
      document.getElementById("tail-rows").replaceChildren();
      said(tail);
    }
  });
  new MutationObserver(follow).observe(document.documentElement, {
    childList: true, subtree: true, attributes: true, attributeFilter: ["data-stream"],
  });
})();
