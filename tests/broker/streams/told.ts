/** Records what an outbox reports. */

export function told() {
  const log = { sent: 0, dropped: [] as string[], waiting: 0 };
  const events = {
    onSent: (count: number) => void (log.sent += count),
    onDrop: (deviceId: string) => void log.dropped.push(deviceId),
    onWaiting: () => void log.waiting++,
  };
  return { log, events };
}
