import { createRoot } from "react-dom/client";
import { DeviceStream } from "./device_stream.jsx";

// Made once: a new array at every render would open a new stream.
const deviceIds = ["0848086072"];
const root = document.body.appendChild(document.createElement("div"));
createRoot(root).render(<DeviceStream deviceIds={deviceIds} />);
