const ws = new WebSocket(
  "ws://localhost:8000/api/v1/stream?device_ids=0848086072,0848086073",
);

// Manejar conexión abierta
ws.onopen = () => {
  console.log("✅ WebSocket conectado");
};

// Manejar mensajes recibidos
ws.onmessage = (event) => {
  const message = JSON.parse(event.data);

  if (message.event === "message") {
    // Datos del dispositivo
    console.log("📡 Datos recibidos:", message.data);
  } else if (message.event === "ping") {
    // Keep-alive (cada 60 segundos)
    console.log("💓 Keep-alive");
  }
};

// Manejar errores
ws.onerror = (error) => {
  console.error("❌ Error WebSocket:", error);
};

// Manejar cierre de conexión
ws.onclose = (event) => {
  console.log("🔌 WebSocket cerrado:", event.code, event.reason);
};
