// The elements of the page.

/** The element of that id. */
export const one = (id) => document.getElementById(id);

/** Shows `text` in a message, or hides it where there is none. */
export function say(id, text, kind = "bad") {
  const message = one(id);
  message.className = "message " + kind;
  message.textContent = text;
  message.hidden = text === "";
}
