/** The undo of a turn that changed many files, in a guest with a history, in the default configuration. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { JsonObject } from '../../src/base/index.ts'
import type { OutputOf } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, ms, shown } from '../report.ts'
import { median } from '../statistics.ts'
import type { GatewayClient } from '../subjects/gateway-client.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'
import { changedFiles, prompts } from '../subjects/model-server.ts'

const files = 10_000
const earlierTurns = 200
const rounds = 5

export const undo: Measure = {
  name: 'undo',
  title: 'Undo',
  how: `A guest over a workspace of ${files} files, after ${earlierTurns} turns with a file each. A command of the agent changes ${changedFiles} files in a turn; the turn is previewed, undone, and the undo undone, ${rounds} times.`,
  async run({ programs, modelUrl }) {
    using workspace = makeWorkspace()
    const pathOf = (at: number): string => join(workspace.root, 'shared', `d${at % 100}`, `f${at}.txt`)
    for (let at = 0; at < 100; at += 1) mkdirSync(join(workspace.root, 'shared', `d${at}`), { mode: 0o777 })
    for (let at = 0; at < files; at += 1) writeFileSync(pathOf(at), `file ${at}\n`.repeat(40), { mode: 0o666 })
    const guest = await startGuest({ program: programs.usual, workspace, modelUrl, config: { approval: { privileged: 'allow' } } })
    try {
      using terminal = await guest.connect()
      const session = await terminal.open()
      for (let turn = 0; turn < earlierTurns; turn += 1) await terminal.turn(session, `${prompts.oneFile} ${turn}`)
      const took = { preview: [] as number[], undo: [] as number[], redo: [] as number[] }
      const timed = async (kind: keyof typeof took, input: JsonObject): Promise<OutputOf<'version.undo'>> => {
        const began = performance.now()
        const output = await ask(terminal, input)
        took[kind].push(performance.now() - began)
        if (output.total !== changedFiles) throw new Error(`${kind} of ${output.total} files`)
        return output
      }
      for (let round = 0; round < rounds; round += 1) {
        await terminal.turn(session, prompts.manyFiles)
        const { digest, turn } = await timed('preview', {})
        const before = readFileSync(pathOf(0), 'utf8')
        const { undo: done } = await timed('undo', { turn, apply: true, digest })
        if (readFileSync(pathOf(0), 'utf8') === before) throw new Error('the file was not undone')
        await timed('redo', { turn: done, redo: true, apply: true })
        if (readFileSync(pathOf(0), 'utf8') !== before) throw new Error('the file was not brought back')
      }
      const [back, again] = [median(took.undo), median(took.redo)]
      return [
        shown(`preview of ${changedFiles} files, with the difference`, ms(median(took.preview))),
        bounded(`undo of ${changedFiles} files`, ms(back), '', '< 2 s', back < 2_000),
        bounded(`redo of ${changedFiles} files`, ms(again), '', '< 2 s', again < 2_000),
      ]
    } finally {
      await guest[Symbol.asyncDispose]()
    }
  },
}

async function ask(terminal: GatewayClient, input: JsonObject): Promise<OutputOf<'version.undo'>> {
  const outcome = await terminal.call('version.undo', input)
  if (outcome.status !== 'ok') throw new Error(`undo: ${outcome.text}`)
  return outcome.output as OutputOf<'version.undo'>
}
