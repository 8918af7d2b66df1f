import { useEffect, useState } from "react";

export function DeviceStream({ deviceIds }) {
  const [messages, setMessages] = useState([]);
  const [connected, setConnected] = useState(false);

  useEffect(() => {
    const ws = new WebSocket(
      `ws://localhost:8000/api/v1/stream?device_ids=${deviceIds.join(",")}`,
    );

    ws.onopen = () => {
      console.log("✅ WebSocket conectado");
      setConnected(true);
    };

    ws.onmessage = (event) => {
      const message = JSON.parse(event.data);
      if (message.event === "message") {
        setMessages((prev) => [...prev, message.data]);
      }
    };

    ws.onerror = (error) => {
      console.error("❌ Error:", error);
    };

    ws.onclose = () => {
      console.log("🔌 Desconectado");
      setConnected(false);
    };

    return () => {
      ws.close();
    };
  }, [deviceIds]);

  return (
    <div>
      <h2>Estado: {connected ? "🟢 Conectado" : "🔴 Desconectado"}</h2>
      <ul>
        {messages.map((msg, idx) => <li key={idx}>{JSON.stringify(msg)}</li>)}
      </ul>
    </div>
  );
}
