/** The part of Swagger UI that the page uses. The package has no types of its own. */
declare module "swagger-ui-dist/swagger-ui-es-bundle.js" {
  interface Response {
    text: string;
    ok: boolean;
  }

  export default function SwaggerUI(options: {
    domNode: Element;
    url: string;
    deepLinking?: boolean;
    supportedSubmitMethods?: string[];
    validatorUrl?: null;
    responseInterceptor?: (response: Response) => Response;
  }): unknown;
}
