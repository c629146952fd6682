/** A long session that is run again from its records: `session.replay` of all its turns, in the guest that has them. */
import type { OutputOf } from '../../src/protocol/index.ts'
import type { Measure } from '../measure.ts'
import { bounded, figure, perSecond, type Row } from '../report.ts'
import { toolMarks } from '../subjects/model-server.ts'
import { makeWorkspace, startGuest } from '../subjects/guest.ts'

const minStepsPerSecond = 500

export const replay: Measure = {
  name: 'replay',
  title: 'Replay',
  how: 'A session of turns with one tool call each runs again in its guest; each turn has two requests to the model. With `model.recording = "raw"` every request is made again and compared with the recorded one word for word, else the number of its messages. The best of three runs.',
  async run({ plan, programs, modelUrl }) {
    const rows: Row[] = []
    for (const recording of ['raw', 'parsed'] as const) {
      using workspace = makeWorkspace()
      await using guest = await startGuest({ program: programs.usual, workspace, modelUrl, config: { model: { recording } } })
      using terminal = await guest.connect()
      const session = await terminal.open()
      for (let i = 0; i < plan.replayTurns; i += 1) await terminal.turn(session, `message ${i}${toolMarks.oneTool}`)
      let best = 0
      let steps = 0
      for (let run = 0; run < 3; run += 1) {
        const outcome = await terminal.call('session.replay', { session })
        if (outcome.status !== 'ok') throw new Error(outcome.text)
        const again = outcome.output as OutputOf<'session.replay'>
        const { divergence, compared } = again
        if (divergence !== null) throw new Error(`the replay has diverged: ${JSON.stringify(divergence)}`)
        if ((recording === 'raw') !== compared > 0) throw new Error(`${compared} requests were compared with recording "${recording}"`)
        steps = again.steps
        best = Math.max(best, (again.steps / again.ms) * 1000)
      }
      const what = recording === 'raw' ? 'every request compared' : 'counts compared'
      rows.push(
        bounded(
          `replay of ${figure(steps)} steps, ${what}`,
          `${perSecond(best)} steps`,
          '',
          `> ${minStepsPerSecond}/s`,
          best > minStepsPerSecond,
        ),
      )
    }
    return rows
  },
}
