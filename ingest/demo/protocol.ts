/** The messages between the demo and its workers. */

export type ToDemoWorker =
  | { readonly type: "broker"; readonly host: string; readonly port: number }
  | { readonly type: "fleet"; readonly brokerUrl: string; readonly vehicles: number }
  | { readonly type: "stop" };

export type FromDemoWorker =
  | { readonly type: "loaded" }
  | { readonly type: "listening"; readonly port: number }
  | { readonly type: "stopped" };
