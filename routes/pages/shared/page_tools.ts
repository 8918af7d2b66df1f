/// <reference lib="dom" />
import { byId } from "./dom.ts";
import { currentLanguage, onLanguage, setLanguage } from "./language.ts";
import { currentTheme, nextTheme, storeLanguage } from "./preferences.ts";
import { text } from "./texts.ts";

const THEMES = { auto: "themeAuto", light: "themeLight", dark: "themeDark" } as const;

/** The header's buttons for theme and language. */
export function startPageTools(): void {
  const themeButton = byId("theme-button");
  const labelTheme = () => {
    themeButton.title = text("theme", { theme: text(THEMES[currentTheme()]) });
    themeButton.setAttribute("aria-label", themeButton.title);
  };
  themeButton.addEventListener("click", () => {
    nextTheme();
    labelTheme();
  });

  const languageButton = byId("language-button");
  languageButton.addEventListener("click", () => {
    const language = currentLanguage() === "es" ? "en" : "es";
    storeLanguage(language);
    setLanguage(language);
  });
  onLanguage(() => {
    labelTheme();
    const other = currentLanguage() === "es" ? "EN" : "ES";
    languageButton.textContent = other;
    languageButton.title = text("otherLanguage");
    languageButton.setAttribute("aria-label", `${other}: ${text("otherLanguage")}`);
  });
}
