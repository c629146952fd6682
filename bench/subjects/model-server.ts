/** The scripted model as a process of its own, and the prompts that it answers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { request } from 'undici'
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
  /** Writes a file, or changes `changedFiles` files by a command. */
  oneFile: 'bench: one file',
  manyFiles: 'bench: many files',
  /** No answer at all. */
  stall: 'bench: stall',
} as const

export const changedFiles = 1_000

/** Chunks of a short answer. */
const shortAnswerChunks = 20
const busyPauseMs = 2_000

/** Ends a lifelike message that leads to so many tool calls: no text has such spaces, and neither words nor cues see them. */
export const toolMarks = { plain: '', oneTool: '  ', fiveTools: '   ' } as const

export interface ModelServer extends AsyncDisposable {
  /** Base URL of the chat-completions wire. */
  readonly url: string
  /** First requests of turns since this was asked last. */
  seen(): Promise<readonly SeenRequest[]>
}

/** The first request of a turn. */
export interface SeenRequest {
  /** The message that began the turn. */
  readonly text: string
  /** When it was read, in milliseconds of the machine's clock (`monotonicMs`). */
  readonly at: number
  /** What it shows from memory, of earlier turns too; empty: nothing. */
  readonly memory: string
  /** Some of it was looked up for this message. */
  readonly isFresh: boolean
}

/** The same clock in all processes of a machine. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

export async function startModelServer(longTokens: number): Promise<ModelServer> {
  const folder = mkdtempSync(join(tmpdir(), 'oxbow-bench-model-'))
  const file = join(folder, 'scenario.json')
  writeFileSync(file, JSON.stringify(scenario(longTokens)))
  const child = await startChild({ args: [repositoryPath('bench/subjects/model-main.ts'), file] })
  const { url, control } = JSON.parse(child.firstLine) as { url: string; control: string }
  return {
    url,
    seen: async () => (await (await request(control)).body.json()) as readonly SeenRequest[],
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
  const tool = (name: string, input: object): object => ({ events: [{ tool_call: { name, arguments: input } }] })
  const turn = (match: string, ...steps: object[]): object => ({ match, steps })
  return {
    turns: [
      turn(prompts.plain, answer),
      turn(prompts.oneTool, ask(0), answer),
      turn(prompts.fiveTools, ...[0, 1, 2, 3, 4].map(ask), answer),
      turn(prompts.busy, ask(0), { events: [{ delay_ms: busyPauseMs }, ...answer.events] }),
      turn(prompts.long, { events: [{ text: 'word ', count: longTokens }] }),
      turn(prompts.oneFile, tool('shell_exec', { command: 'echo "$RANDOM$RANDOM" >> /shared/log.txt' }), answer),
      turn(
        prompts.manyFiles,
        tool('shell_exec', {
          command: `for i in $(seq 0 ${changedFiles - 1}); do echo "$RANDOM$RANDOM" >> /shared/d$((i % 100))/f$i.txt; done`,
        }),
        answer,
      ),
      turn(prompts.stall, { events: [{ stall: true }] }),
      turn(toolMarks.fiveTools, ...[0, 1, 2, 3, 4].map(ask), answer),
      turn(toolMarks.oneTool, ask(0), answer),
      { steps: [answer] },
    ],
  }
}
