/** The scripted model over HTTP, and what a guest's configuration says to reach it. */
import { type Scenario, type ScenarioStep, startScriptedServer } from '../../src/engine/index.ts'

export interface WireMessage {
  readonly role: string
  readonly content: unknown
  readonly tool_call_id?: string
}

export interface TestModel extends AsyncDisposable {
  /** The `model` section. */
  readonly config: { readonly provider: 'openai'; readonly base_url: string }
  /** Messages of each request, in order. */
  readonly requests: readonly (readonly WireMessage[])[]
  /** Their other fields, such as `temperature`. */
  readonly settings: readonly Readonly<Record<string, unknown>>[]
  /** What the newest request says of tool results, in order. */
  results(): readonly string[]
}

/** @param script a scenario, or the steps of its one turn. */
export async function startModel(script: Scenario | readonly ScenarioStep[]): Promise<TestModel> {
  const requests: (readonly WireMessage[])[] = []
  const settings: Readonly<Record<string, unknown>>[] = []
  const scenario: Scenario = 'turns' in script ? script : { turns: [{ steps: [...script] }] }
  const server = await startScriptedServer(scenario, {
    onRequest(body) {
      const { messages, ...others } = body as { messages: WireMessage[] }
      requests.push(messages)
      settings.push(others)
    },
  })
  return {
    config: { provider: 'openai', base_url: server.url },
    requests,
    settings,
    results: () => (requests.at(-1) ?? []).filter((message) => message.role === 'tool').map((message) => String(message.content)),
    [Symbol.asyncDispose]: () => server.close(),
  }
}
