// @ts-ignore: React comes from your project, not from Telecast
import { useEffect, useState } from "react";

/**
 * The last message of each device, and whether the stream is connected. `server` is Telecast's
 * address, for example "https://telecast.example.com".
 */
export function useDeviceStream(server, deviceIds) {
  const [devices, setDevices] = useState({});
  const [connected, setConnected] = useState(false);
  // Joined, so that a new array with the same ids does not open a new stream on each render.
  const ids = deviceIds.join(",");

  useEffect(() => {
    let socket;
    let timer;
    let cursor;
    let waitMs = 500;
    let unmounted = false;

    function connect() {
      const url = new URL("/api/v1/stream", server);
      url.protocol = url.protocol.replace("http", "ws");
      url.searchParams.set("device_ids", ids);
      if (cursor) url.searchParams.set("since", cursor);
      else url.searchParams.set("snapshot", "1");
      socket = new WebSocket(url);
      let againMs;
      socket.onopen = () => setConnected(true);
      socket.onmessage = (frame) => {
        waitMs = 500;
        const { event, data, id } = JSON.parse(frame.data);
        if (id) cursor = id;
        if (event === "message" || event === "snapshot") {
          const deviceId = String(data.data?.DEVICE_ID ?? data.device_id ?? data.empresa);
          setDevices((before) => ({ ...before, [deviceId]: data }));
        } else if (event === "goodbye") againMs = data.reconnect_ms;
      };
      socket.onclose = ({ code }) => {
        if (unmounted) return;
        setConnected(false);
        if (code === 1008) return; // The server rejects these parameters.
        timer = setTimeout(connect, againMs ?? waitMs * (0.5 + Math.random()));
        waitMs = Math.min(waitMs * 2, 30_000);
      };
    }

    setDevices({});
    connect();
    return () => {
      unmounted = true;
      clearTimeout(timer);
      socket.close();
    };
  }, [server, ids]);

  return { devices, connected };
}

export function DeviceStream({ server, deviceIds }) {
  const { devices, connected } = useDeviceStream(server, deviceIds);
  return (
    <section>
      <p>{connected ? "Connected" : "Connecting"}</p>
      <ul>
        {Object.entries(devices).map(([id, message]) => (
          <li key={id}>
            {id}: <code>{JSON.stringify(message)}</code>
          </li>
        ))}
      </ul>
    </section>
  );
}
