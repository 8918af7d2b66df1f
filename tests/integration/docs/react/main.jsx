// @ts-ignore: bundle.json maps this import
import { createRoot } from "react-dom/client";
import { DeviceStream } from "../../../../examples/react/DeviceStream.jsx";

const root = document.body.appendChild(document.createElement("div"));
createRoot(root).render(
  <DeviceStream server={location.origin} deviceIds={["0848086072", "0848086073"]} />,
);
