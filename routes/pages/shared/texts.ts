import { defineTexts } from "./language.ts";

const ES = {
  token: "Token de acceso",
  tokenTitle: "Hace falta un token",
  tokenHelp:
    "El servidor pide un token de acceso. Se guarda solo en esta pestaña y se olvida al cerrarla.",
  tokenRefused: "El servidor no aceptó ese token. Comprueba que esté completo y no haya caducado.",
  cancel: "Cancelar",
  connect: "Conectar",
  theme: "Tema: {theme}",
  themeAuto: "automático",
  themeLight: "claro",
  themeDark: "oscuro",
  otherLanguage: "Switch to English",
  plotRange: "mín. {min} · máx. {max}",
  noPlot: "sin datos",
};

type Key = keyof typeof ES;
export type { Key as SharedKey };

const EN: Record<Key, string> = {
  token: "Access token",
  tokenTitle: "A token is required",
  tokenHelp: "The server requires an access token. Only this tab stores it, until you close it.",
  tokenRefused: "The server did not accept that token. Check that it is complete and not expired.",
  cancel: "Cancel",
  connect: "Connect",
  theme: "Theme: {theme}",
  themeAuto: "automatic",
  themeLight: "light",
  themeDark: "dark",
  otherLanguage: "Cambiar a español",
  plotRange: "min {min} · max {max}",
  noPlot: "no data yet",
};

export const text = defineTexts({ es: ES, en: EN });
