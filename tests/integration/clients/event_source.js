const eventSource = new EventSource("/api/v1/stream?device_ids=0848086072");

eventSource.addEventListener("message", (event) => {
  const data = JSON.parse(event.data);
  console.log("Evento recibido:", data);
});

eventSource.addEventListener("ping", (event) => {
  console.log("Keep-alive recibido");
});

eventSource.onerror = (error) => {
  console.error("Error en SSE:", error);
  eventSource.close();
};
