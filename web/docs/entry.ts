// The page for client authors: /docs says what there is, and each address below it shows one document.
import SwaggerUI from "swagger-ui-dist/swagger-ui-es-bundle.js";
import { openApiOf } from "./socket.js";

const link = document.querySelector<HTMLAnchorElement>(
  `nav a[href="${CSS.escape(location.pathname.replace(/\/$/, ""))}"]`,
);
link?.setAttribute("aria-current", "page");
const url = link?.dataset.document;
if (url) show(url, link.textContent);

function show(url: string, name: string) {
  const isSocket = url === "/asyncapi.json";
  const main = document.createElement("main");
  main.dataset.document = url;
  document.querySelector("main")?.replaceWith(main);
  document.title = `${name} - ${document.title}`;
  SwaggerUI({
    domNode: main,
    url,
    deepLinking: true,
    // Frames are no requests to try out.
    ...(isSocket && { supportedSubmitMethods: [] }),
    // Swagger UI would have a server of its makers check the document.
    validatorUrl: null,
    responseInterceptor(response) {
      if (isSocket && response.ok) response.text = JSON.stringify(openApiOf(JSON.parse(response.text)));
      return response;
    },
  });
}
