// A picture that a narrow screen shows small opens at its full size.
addEventListener("load", () => {
  for (const picture of document.querySelectorAll("article img")) {
    if (picture.naturalWidth < picture.clientWidth * 1.2 || picture.closest("a")) continue;
    const link = document.createElement("a");
    link.href = picture.src;
    link.title = "Open the picture at its full size";
    picture.replaceWith(link);
    link.append(picture);
  }
});
