/** The editor as sessions see it. `protocol.ts` is behind it, which alone loads the SDK. */
import type {
  ClientCapabilities,
  CreateElicitationRequest,
  CreateElicitationResponse,
  RequestPermissionRequest,
  RequestPermissionResponse,
  SessionUpdate,
} from '@agentclientprotocol/sdk'
import type { EditorMachine } from './editor-tools.ts'

export interface Editor {
  capabilities(): ClientCapabilities
  /** In order; text that waits for a slow editor is joined. */
  update(session: string, update: SessionUpdate): void
  /** Resolves when everything that was sent before has been written. */
  written(): Promise<void>
  /** Asks the person. Rejects when the editor cannot, or the signal aborts. */
  ask(request: RequestPermissionRequest, signal: AbortSignal): Promise<RequestPermissionResponse>
  /** Shows the person a form. Rejects as `ask` does. */
  elicit(request: CreateElicitationRequest, signal: AbortSignal): Promise<CreateElicitationResponse>
  machine(session: string): EditorMachine
}
