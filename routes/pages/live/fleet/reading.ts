/** What the page reads from a payload of any known shape. */
export interface Reading {
  /** Undefined if the payload does not contain it: the stream does not add it. */
  readonly deviceId: string | undefined;
  readonly position: { readonly latitude: number; readonly longitude: number } | undefined;
  /** As the device reports it, in km/h. */
  readonly speed: number | undefined;
  /** Degrees, clockwise from north. */
  readonly course: number | undefined;
  readonly satellites: number | undefined;
  readonly engineOn: boolean | undefined;
  readonly deviceTime: string | undefined;
  readonly company: string | undefined;
  readonly alarm: Alarm | undefined;
}

export interface Alarm {
  readonly kind: string;
  readonly detail: string;
  /** How it is shown; derived from the color or severity that the alarm names. */
  readonly level: "critical" | "warning" | "info";
  /** The vehicle has fallen silent: the page found that out, and has its own text for it. */
  readonly silence?: boolean;
}

type Field =
  | "latitude"
  | "longitude"
  | "speed"
  | "course"
  | "satellites"
  | "engine"
  | "time"
  | "company"
  | "place";

const NAMES: Record<Field, readonly string[]> = {
  latitude: ["latitud", "latitude", "lat"],
  longitude: ["longitud", "longitude", "lon", "lng", "long"],
  speed: ["speed", "velocidad", "velocity"],
  course: ["course", "heading", "rumbo", "curso", "bearing"],
  satellites: ["satellites", "satelites", "sats"],
  engine: ["engine_status", "engine", "ignition", "motor"],
  time: ["gps_datetime", "datetime", "timestamp", "fecha"],
  company: ["empresa", "company"],
  place: ["location", "position", "ubicacion", "gps"],
};

const FIELD_OF = new Map(
  Object.entries(NAMES).flatMap(([field, names]) => names.map((name) => [name, field as Field])),
);

type Fields = Partial<Record<Field, unknown>>;

/** Reads a payload; `idPath` is the path of the device id if it is not at a known place. */
export function readPayload(payload: unknown, idPath: readonly string[] = []): Reading {
  const message = asRecord(payload) ?? {};
  const data = asRecord(message.data);
  const fields: Fields = { ...fieldsOf(message), ...(data && fieldsOf(data)) };
  const place = asRecord(fields.place);
  if (place && fields.latitude === undefined) Object.assign(fields, placeOf(place));
  return {
    deviceId: deviceIdOf(message, data, idPath),
    position: positionOf(fields),
    speed: number(fields.speed),
    course: number(fields.course),
    satellites: number(fields.satellites),
    engineOn: engineOf(fields.engine),
    deviceTime: word(fields.time),
    company: word(fields.company),
    alarm: alarmOf(message),
  };
}

/** `reading`, with missing values taken from the previous one. */
export function mergeReadings(before: Reading | undefined, reading: Reading): Reading {
  if (!before) return reading;
  const merged: Record<string, unknown> = { ...before };
  for (const [name, value] of Object.entries(reading)) {
    if (value !== undefined) merged[name] = value;
  }
  return merged as unknown as Reading;
}

function fieldsOf(record: Record<string, unknown>): Fields {
  const fields: Fields = {};
  for (const key of Object.keys(record)) {
    const field = FIELD_OF.get(key.toLowerCase());
    if (field) fields[field] ??= record[key];
  }
  return fields;
}

function placeOf(place: Record<string, unknown>): Fields {
  const { latitude, longitude } = fieldsOf(place);
  const point = place.coordinates;
  if (latitude === undefined && Array.isArray(point)) {
    return { longitude: point[0], latitude: point[1] };
  }
  return { latitude, longitude };
}

function deviceIdOf(
  message: Record<string, unknown>,
  data: Record<string, unknown> | undefined,
  idPath: readonly string[],
): string | undefined {
  if (idPath.length > 0) {
    let at: unknown = message;
    for (const name of idPath) at = asRecord(at)?.[name];
    if (word(at) !== undefined) return word(at);
  }
  return word(data?.DEVICE_ID) ?? word(message.device_id) ?? word(message.empresa);
}

function positionOf(fields: Fields): Reading["position"] {
  const latitude = number(fields.latitude);
  const longitude = number(fields.longitude);
  if (latitude === undefined || longitude === undefined) return undefined;
  // A receiver without a fix reports exactly 0, 0.
  if (latitude === 0 && longitude === 0) return undefined;
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined;
  return { latitude, longitude };
}

function engineOf(value: unknown): boolean | undefined {
  if (typeof value === "boolean") return value;
  const text = word(value)?.toLowerCase();
  if (text === undefined) return undefined;
  if (["on", "1", "true", "encendido"].includes(text)) return true;
  if (["off", "0", "false", "apagado"].includes(text)) return false;
  return undefined;
}

const INFO = /verde|green|azul|blue|info|normal|low/i;
const WARNING = /amarill|yellow|naranja|orange|warn|media|medium|advert/i;

/** Panic buttons (`tipo_mensaje`) and the events of devices; a keepalive is neither. */
function alarmOf(message: Record<string, unknown>): Alarm | undefined {
  const type = message.tipo_mensaje;
  if (type === "alarmas" || type === "semaforos") {
    const kind = word(message.tipo_alarma) ?? String(type);
    return { kind, detail: word(message.descripcion) ?? "", level: levelOf(kind) };
  }
  const event = word(message.event);
  if (event === undefined || event === "keepalive") return undefined;
  const metadata = asRecord(message.metadata) ?? {};
  const severity = word(metadata.severity) ?? "info";
  const detail = Object.entries(metadata).filter(([, value]) => typeof value !== "object")
    .map(([name, value]) => `${name}: ${value}`).join(", ");
  return { kind: event, detail, level: levelOf(severity) };
}

function levelOf(word: string): Alarm["level"] {
  return INFO.test(word) ? "info" : WARNING.test(word) ? "warning" : "critical";
}

function asRecord(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

/** A number, or text that is a number, such as `"+20.652472"`. */
function number(value: unknown): number | undefined {
  if (typeof value === "string" && value.trim() === "") return undefined;
  if (typeof value !== "string" && typeof value !== "number") return undefined;
  const result = Number(value);
  return Number.isFinite(result) ? result : undefined;
}

function word(value: unknown): string | undefined {
  if (typeof value === "number") return String(value);
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}
