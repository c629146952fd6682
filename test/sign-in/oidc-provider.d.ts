/** What the tests use of it. Its own types bring Express's along, against which others are then checked. */
import type { IncomingMessage, ServerResponse } from 'node:http'

export interface Configuration {
  readonly [name: string]: unknown
  readonly findAccount: (context: unknown, subject: string) => object | undefined
}

interface Grant {
  addOIDCScope(scope: string): void
  save(): Promise<string>
}

interface ProviderObject {
  readonly Grant: new (of: { readonly accountId: string; readonly clientId: string }) => Grant
  callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
  interactionDetails(
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<{
    readonly prompt: { readonly name: string }
    readonly params: Readonly<Record<string, unknown>>
    readonly session?: { readonly accountId: string }
  }>
  interactionFinished(
    request: IncomingMessage,
    response: ServerResponse,
    result: object,
    options: { readonly mergeWithLastSubmission: boolean },
  ): Promise<void>
}

export const Provider: new (issuer: string, configuration: Configuration) => ProviderObject
