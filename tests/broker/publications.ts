/** Publications for tests. */

import { Epoch, Publication } from "../../broker/messages/message.ts";

export const EPOCH = new Epoch("test");

export interface PublicationOptions {
  readonly payload?: string;
  readonly hasUuid?: boolean;
  readonly time?: number;
  readonly epoch?: Epoch;
}

export function publication(
  offset: number,
  deviceId: string,
  { payload = `{"n":${offset}}`, hasUuid = false, time = offset, epoch = EPOCH }:
    PublicationOptions = {},
): Publication {
  return new Publication(epoch, offset, deviceId, payload, hasUuid, time);
}
