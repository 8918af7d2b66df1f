import { createRoot } from "react-dom/client";
import { DeviceStream } from "./device_stream.jsx";

// Created once: a new array on every render would open a new stream.
const deviceIds = ["0848086072"];
const root = document.body.appendChild(document.createElement("div"));
createRoot(root).render(<DeviceStream deviceIds={deviceIds} />);
