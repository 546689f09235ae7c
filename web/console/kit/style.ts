/** The style of the screens beside the live side. It comes with the first of them. */
import { addStyle } from "../../ui/style.js";
import style from "../pages.css" with { type: "text" };

addStyle(style);
