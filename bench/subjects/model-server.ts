/** The scripted model as a process of its own, and the prompts that it answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { repositoryPath, startChild } from './child-process.ts'

/** What each prompt leads to. The scripted model looks for these words in the newest user message. */
export const prompts = {
  /** A short answer. */
  plain: 'bench: plain',
  /** One tool call, then a short answer; five for `fiveTools`. */
  oneTool: 'bench: one tool',
  fiveTools: 'bench: five tools',
  /** A tool call, a pause of two seconds, and a short answer: a session that is busy like a real one. */
  busy: 'bench: busy',
  /** As many one-word chunks as was asked for. */
  long: 'bench: long',
  /** No answer at all. */
  stall: 'bench: stall',
} as const

/** Chunks of a short answer. */
const shortAnswerChunks = 20
const busyPauseMs = 2_000

export interface ModelServer extends AsyncDisposable {
  /** Base URL of the chat-completions wire. */
  readonly url: string
}

export async function startModelServer(longTokens: number): Promise<ModelServer> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-model-'))
  const file = join(folder, 'scenario.json')
  writeFileSync(file, JSON.stringify(scenario(longTokens)))
  const child = await startChild({ args: [repositoryPath('src/engine/scripted-server-main.ts'), file] })
  return {
    url: child.firstLine,
    async [Symbol.asyncDispose]() {
      await child[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

function scenario(longTokens: number): object {
  const answer = { events: [{ text: 'word ', count: shortAnswerChunks }] }
  // Spaces make each call differ, so that five in a row are no loop.
  const ask = (place: number): object => ({
    events: [{ tool_call: { name: 'time_now', arguments: `{${' '.repeat(place)}}`, id: `call_${place}` } }],
  })
  const turn = (match: string, ...steps: object[]): object => ({ match, steps })
  return {
    turns: [
      turn(prompts.plain, answer),
      turn(prompts.oneTool, ask(0), answer),
      turn(prompts.fiveTools, ...[0, 1, 2, 3, 4].map(ask), answer),
      turn(prompts.busy, ask(0), { events: [{ delay_ms: busyPauseMs }, ...answer.events] }),
      turn(prompts.long, { events: [{ text: 'word ', count: longTokens }] }),
      turn(prompts.stall, { events: [{ stall: true }] }),
    ],
  }
}
