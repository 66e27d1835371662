// The token of an invitation stands behind the # of its link: into the form, and out of the address bar and its history.
const field = document.querySelector("[data-invitation] [name=token]");
if (field && location.hash.length > 1) field.value = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
