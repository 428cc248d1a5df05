// Who is logged in, and changes: the pages only read, so each change is a call of the API, made here.
(function () {
  "use strict";
  // The name of the cookie with the CSRF token stands in Dash's own configuration.
  function csrf() {
    var config = JSON.parse((document.getElementById("_dash-config") || {}).textContent || "{}");
    var name = (config.csrf_token_name || "gw-csrf") + "=";
    var found = document.cookie.split("; ").find(function (pair) { return pair.indexOf(name) === 0; });
    return found ? found.slice(name.length) : "";
  }

  // What is shown stays when no answer comes; the line above it says so until one does.
  function silent(asked) {
    if (String((asked && asked.url) || asked).indexOf("_dash-update-component") < 0) return;
    var tree = ["div", { className: "banner banner-error", role: "status" },
      ["span", { className: "icon icon-warning", "aria-hidden": "true" }],
      ["span", {}, "gatewatch does not answer, so what stands here may be old."],
      ["button", { type: "button", className: "plain-button", "data-press": "refresh" }, "Try again"]];
    var line = { namespace: "gatewatch_parts", type: "Still", props: { id: "silent", tree: [tree] } };
    window.dash_clientside.set_props("banner", { children: line });
  }

  // Whoever's session is over goes to the login, and comes back here.
  var ask = window.fetch;
  window.fetch = function (asked) {
    var answered = ask.apply(window, arguments);
    window.gatewatch.asking(arguments[1]);
    return answered.catch(function (error) { silent(asked); throw error; }).then(function (answer) {
      if (answer.status >= 500) silent(asked);
      if (answer.status === 401 && new URL(answer.url).origin === window.location.origin) {
        window.location.assign("/login?next=" + encodeURIComponent(window.location.pathname + window.location.search));
      }
      return answer;
    });
  };

  function logOut() {
    ask("/logout", { method: "POST", body: new URLSearchParams({ token: csrf() }) }).then(function (answer) {
      window.location.assign(answer.url);
    });
  }

  function send(method, path, body) {
    return window.fetch(path, {
      method: method,
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrf() },
      body: JSON.stringify(body || {}),
    }).then(function (answer) {
      return answer.json().catch(function () { return {}; }).then(function (found) {
        if (!answer.ok) throw new Error(found.detail || "gatewatch answers with status " + answer.status);
        return found;
      });
    });
  }

  // As on the server: what could hide or turn letters around is made visible.
  function plain(text) {
    return String(text).replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/gu, "\ufffd").slice(0, 300);
  }

  // What happened, outside of the page, which is drawn anew. Everything is set as text.
  function say(text, kind, more) {
    document.querySelectorAll(".toast").forEach(function (old) { old.remove(); });
    var toast = document.createElement("div");
    toast.className = "toast toast-" + kind;
    toast.setAttribute("role", kind === "wrong" ? "alert" : "status");
    var line = document.createElement("p");
    line.textContent = plain(text);
    toast.appendChild(line);
    if (more) toast.appendChild(more);
    var close = document.createElement("button");
    close.className = "plain-button";
    close.textContent = "Close";
    close.addEventListener("click", function () { toast.remove(); });
    toast.appendChild(close);
    document.body.appendChild(toast);
    if (kind !== "good") return;
    // What can still be undone stays longer, and as long as somebody is at it.
    (function later(ms) {
      window.setTimeout(function () { if (toast.matches(":hover, :focus-within")) later(2000); else toast.remove(); }, ms);
    })(more ? 15000 : 6000);
  }

  // The button that takes back what was just done: one call after the other.
  function undoing(calls) {
    if (!calls) return null;
    var button = document.createElement("button");
    button.className = "plain-button undo";
    button.textContent = "Undo";
    button.dataset.key = "u";
    button.addEventListener("click", function () {
      button.disabled = true;
      calls.reduce(function (before, call) {
        return before.then(function () { return send(call[0], call[1], call[2]); });
      }, Promise.resolve()).then(function () {
        say("Undone.", "good");
        again();
      }).catch(function (error) { say(error.message, "wrong"); again(); });
    });
    return button;
  }

  // After a change forms begin anew, so nothing is laid over what stands there (draw.js).
  function again() {
    window.gatewatch.whole = true;
    window.gatewatch.forget();
    document.getElementById("refresh").click();
  }

  function shown(token) {
    var code = document.createElement("code");
    code.className = "command secret";
    code.textContent = token;
    return code;
  }

  // What a masked finding hides: a table of names and values, as text.
  function whole(found) {
    var box = document.createElement("div");
    box.className = "revealed";
    var groups = { "IP addresses": found.entities.ips, Principals: found.entities.principals };
    Object.keys(groups).forEach(function (name) {
      if (!groups[name].length) return;
      var head = document.createElement("h3");
      head.textContent = name;
      var list = document.createElement("ul");
      groups[name].forEach(function (value) {
        var item = document.createElement("li");
        item.textContent = plain(value);
        list.appendChild(item);
      });
      box.appendChild(head);
      box.appendChild(list);
    });
    return box;
  }

  function fields(form) {
    var body = JSON.parse(form.dataset.fixed || "{}");
    var hours = (form.dataset.hours || "").split(" ");
    var lists = (form.dataset.lists || "").split(" ");
    var numbers = (form.dataset.numbers || "").split(" ");
    var means = JSON.parse(form.dataset.means || "{}");
    var times = (form.dataset.times || "").split(" ");
    var from = Date.now();
    times.forEach(function (name) {
      var input = name && form.querySelector("input[name='" + name + "']");
      if (!input || input.value.trim() === "") return;
      var at = instant(input.value);
      body[name] = at.toISOString();
      from = at.getTime();
    });
    form.querySelectorAll("input[name], textarea[name], select[name]").forEach(function (input) {
      var name = input.name;
      if (input.value === "" || times.indexOf(name) >= 0 || (input.type === "radio" && !input.checked)) return;
      if (means[name] && input.value in means[name]) { Object.assign(body, means[name][input.value]); return; }
      var value = numbers.indexOf(name) >= 0 ? Number(input.value) : input.value;
      if (hours.indexOf(name) >= 0) value = new Date(from + Number(input.value) * 3600e3).toISOString();
      body[name] = lists.indexOf(name) >= 0 ? [value] : value;
    });
    if (form.dataset.matcher) {
      body.matchers = {};
      body.matchers[body.label] = String(body.pattern || "").split(",").map(function (one) { return one.trim(); });
      delete body.label;
      delete body.pattern;
    }
    return body;
  }

  // A date and time that somebody typed; of UTC, unless a zone is written.
  function instant(text) {
    var said = text.trim().replace(" ", "T");
    var at = new Date(/(Z|[+-]\d\d:?\d\d)$/i.test(said) ? said : said + "Z");
    if (isNaN(at)) throw new Error("this is no time: " + text + "; write it like 2026-06-10 22:00");
    return at;
  }

  // What a test message sent and got: JSON, as text.
  function wired(found) {
    var box = document.createElement("pre");
    box.className = "command wire";
    box.textContent = JSON.stringify(found.wire, null, 1).replace(/[^\x20-\x7e\n]/g, function (char) {
      return "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0");
    }).slice(0, 20000);
    return box;
  }

  function sure(button) {
    if (!button.dataset.sure || button.dataset.armed) return true;
    var before = button.textContent;
    button.dataset.armed = "yes";
    button.textContent = button.dataset.sure;
    window.setTimeout(function () { 
      delete button.dataset.armed;
      if (button.textContent === button.dataset.sure) button.textContent = before;
    }, 5000);
    return false;
  }

  function pressed(button) {
    if (button.disabled || !sure(button)) return;
    var form = button.closest(".send-form");
    var from = button.dataset.path ? button.dataset : form.dataset;
    var body;
    try {
      body = button.dataset.body ? JSON.parse(button.dataset.body) : form ? fields(form) : {};
    } catch (error) {
      say(error.message, "wrong");
      return;
    }
    button.disabled = true;
    send(from.method, from.path, body).then(function (found) {
      if (form) form.querySelectorAll("input[type=password]").forEach(function (input) { input.value = ""; });
      if (found.token) say("Keep this token now: it is not shown again.", "keep", shown(found.token));
      else if (found.wire) {
        var ended = found.delivered ? "It was delivered. What went out and came back:" : "It was not delivered: " + found.error;
        say(ended, found.delivered ? "keep" : "wrong", wired(found));
      }
      else if (found.requests && found.entities) say("This is written in the audit log.", "keep", whole(found));
      else say(from.done || "Done.", "good", undoing(from.undo && JSON.parse(from.undo)));
      var panel = button.closest("details.pop");
      if (panel) panel.open = false;
      again();
    }).catch(function (error) {
      say(error.message, "wrong");
    }).finally(function () {
      button.disabled = false;
    });
  }

  window.gatewatch = Object.assign(window.gatewatch || {}, { send: send, say: say, plain: plain, undoing: undoing, again: again, fields: fields });

  document.addEventListener("click", function (event) {
    if (event.target.closest(".log-out")) logOut();
    var button = event.target.closest("button.send");
    if (button && button.type !== "submit") pressed(button);
  });
  // In a text of several lines Enter is a new line; with Ctrl or the command key it sends.
  document.addEventListener("keydown", function (event) {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches("textarea")) return;
    var form = event.target.closest(".send-form");
    if (form) { event.preventDefault(); form.requestSubmit(); }
  });
  document.addEventListener("submit", function (event) {
    if (!event.target.matches(".send-form")) return;
    event.preventDefault();
    pressed(event.target.querySelector("button.send"));
  });
})();
