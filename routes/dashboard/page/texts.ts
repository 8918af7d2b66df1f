/// <reference lib="dom" />

const ES = {
  skipToList: "Ir a la lista de vehículos",
  lists: "Listas",
  vehicles: "Vehículos",
  alarms: "Alarmas",
  map: "Mapa",
  search: "Buscar por id",
  searchHint: "Buscar por id",
  filter: "Filtro",
  filterAll: "Todos",
  filterOnline: "En línea",
  filterStale: "Sin señal",
  sort: "Orden",
  sortId: "Id",
  sortRecent: "Más reciente",
  sortSpeed: "Velocidad",
  company: "Empresa",
  allCompanies: "Todas",
  noAlarms: "Aún no ha llegado ninguna alarma.",
  noVehicles: "Aún no ha llegado ningún mensaje.",
  noMatch: "Ningún vehículo coincide.",
  waitingForData: "Conectado. Esperando el primer mensaje con posición…",
  connecting: "Conectando…",
  open: "En vivo",
  waiting: "Sin conexión, reintento en {seconds} s",
  closed: "Desconectado: {reason}",
  idle: "Inactivo",
  figureVehicles: "Vehículos",
  vehiclesHelp: "En línea / todos",
  figureRate: "Mensajes/s",
  figureLatency: "Latencia",
  figureDropped: "Perdidos",
  figureResumed: "Reanudado",
  droppedHelp: "Mensajes que el servidor no pudo entregar a esta página porque iba lenta",
  resumedHelp: "Veces que la conexión se reanudó; último resultado",
  full: "completo",
  partial: "con huecos",
  none: "desde cero",
  latencyHelp: "Tiempo que tarda el servidor en responder por el canal",
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
  moving: "En marcha",
  idling: "Detenido",
  parked: "Apagado",
  unknown: "Sin datos",
  stale: "Sin señal",
  ago: "hace {time}",
  fitAll: "Ver todos",
  zoomIn: "Acercar",
  zoomOut: "Alejar",
  close: "Cerrar",
  follow: "Seguir",
  lastValues: "Últimos valores",
  speed: "Velocidad",
  course: "Rumbo",
  satellites: "Satélites",
  engine: "Motor",
  on: "Encendido",
  off: "Apagado",
  position: "Posición",
  deviceTime: "Hora del equipo",
  received: "Recibido",
  overTime: "En el tiempo",
  plotSummary: "{name}: último {last}, mínimo {min}, máximo {max}",
  noPlot: "Aún no hay datos para dibujar.",
  rawMessage: "Mensaje completo",
  copy: "Copiar",
  copied: "Copiado",
  command: "Enviar comando",
  commandHelp: "JSON que se publica para este equipo.",
  commandLabel: "Comando (JSON)",
  send: "Enviar",
  sent: "El equipo lo recibirá: el broker confirmó el comando.",
  buffered: "Guardado: se enviará cuando vuelva el broker.",
  notJson: "Esto no es un objeto JSON.",
  notSent: "No se envió: {reason}",
  newAlarm: "Alarma: {alarm}",
};

type Key = keyof typeof ES;
export type { Key as TextKey };

const EN: Record<Key, string> = {
  skipToList: "Skip to the list of vehicles",
  lists: "Lists",
  vehicles: "Vehicles",
  alarms: "Alarms",
  map: "Map",
  search: "Search by id",
  searchHint: "Search by id",
  filter: "Filter",
  filterAll: "All",
  filterOnline: "Online",
  filterStale: "No signal",
  sort: "Sort",
  sortId: "Id",
  sortRecent: "Most recent",
  sortSpeed: "Speed",
  company: "Company",
  allCompanies: "All",
  noAlarms: "No alarm has come in yet.",
  noVehicles: "No message has come in yet.",
  noMatch: "No vehicle matches.",
  waitingForData: "Connected. Waiting for the first message with a position…",
  connecting: "Connecting…",
  open: "Live",
  waiting: "No connection, trying again in {seconds} s",
  closed: "Disconnected: {reason}",
  idle: "Idle",
  figureVehicles: "Vehicles",
  vehiclesHelp: "Online / all",
  figureRate: "Messages/s",
  figureLatency: "Latency",
  figureDropped: "Dropped",
  figureResumed: "Resumed",
  droppedHelp: "Messages that the server could not deliver to this page because it was too slow",
  resumedHelp: "How often the connection was resumed; the last outcome",
  full: "complete",
  partial: "with gaps",
  none: "from now",
  latencyHelp: "Time that the server takes to answer through the stream",
  token: "Access token",
  tokenTitle: "A token is needed",
  tokenHelp:
    "The server asks for an access token. It is kept in this tab alone, until you close it.",
  tokenRefused: "The server did not take that token. Check that it is whole and has not expired.",
  cancel: "Cancel",
  connect: "Connect",
  theme: "Theme: {theme}",
  themeAuto: "automatic",
  themeLight: "light",
  themeDark: "dark",
  otherLanguage: "Cambiar a español",
  moving: "Moving",
  idling: "Stopped",
  parked: "Engine off",
  unknown: "No data",
  stale: "No signal",
  ago: "{time} ago",
  fitAll: "Show all",
  zoomIn: "Zoom in",
  zoomOut: "Zoom out",
  close: "Close",
  follow: "Follow",
  lastValues: "Last values",
  speed: "Speed",
  course: "Course",
  satellites: "Satellites",
  engine: "Engine",
  on: "On",
  off: "Off",
  position: "Position",
  deviceTime: "Device's time",
  received: "Received",
  overTime: "Over time",
  plotSummary: "{name}: last {last}, lowest {min}, highest {max}",
  noPlot: "Nothing to draw yet.",
  rawMessage: "Raw message",
  copy: "Copy",
  copied: "Copied",
  command: "Send a command",
  commandHelp: "JSON that is published for this device.",
  commandLabel: "Command (JSON)",
  send: "Send",
  sent: "On its way: the broker has confirmed the command.",
  buffered: "Kept: it goes out when the broker is back.",
  notJson: "This is no JSON object.",
  notSent: "Not sent: {reason}",
  newAlarm: "Alarm: {alarm}",
};

export type Language = "es" | "en";
const TEXTS: Record<Language, Record<Key, string>> = { es: ES, en: EN };

let language: Language = "en";
const listeners = new Set<() => void>();

export function currentLanguage(): Language {
  return language;
}

/** The text in the current language, with `{name}` filled in. */
export function text(key: Key, values: Record<string, string | number> = {}): string {
  return TEXTS[language][key].replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? ""));
}

/** Calls `listener` now and at each change of language. */
export function onLanguage(listener: () => void): void {
  listeners.add(listener);
  listener();
}

/** Changes the language of all that is marked in the page, and of those who listen. */
export function setLanguage(next: Language): void {
  language = next;
  document.documentElement.lang = next;
  for (const node of document.querySelectorAll<HTMLElement>("[data-text]")) {
    node.textContent = text(node.dataset.text as Key);
  }
  for (const node of document.querySelectorAll<HTMLElement>("[data-label]")) {
    node.setAttribute("aria-label", text(node.dataset.label as Key));
    if (node.matches("button")) node.title = text(node.dataset.label as Key);
  }
  for (const node of document.querySelectorAll<HTMLElement>("[data-placeholder]")) {
    node.setAttribute("placeholder", text(node.dataset.placeholder as Key));
  }
  for (const listener of listeners) listener();
}

const numberFormats = new Map<string, Intl.NumberFormat>();

export function formatNumber(value: number, digits = 0): string {
  const key = `${language}${digits}`;
  const format = numberFormats.get(key) ??
    new Intl.NumberFormat(language, { maximumFractionDigits: digits });
  numberFormats.set(key, format);
  return format.format(value);
}

/** A span of time in its greatest unit: `5 s`, `3 min`, `2 h`, `4 d`. */
export function formatSpan(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}

/** The time of day, with seconds unless they are left out. */
export function formatClock(timeMs: number, { seconds = true } = {}): string {
  const parts = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" } as const;
  return new Date(timeMs).toLocaleTimeString(
    language,
    seconds ? { ...parts, second: "2-digit" } : parts,
  );
}
