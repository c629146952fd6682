/** `telemetry.metrics`: what was counted of models, tools and turns, for the gateway's `/metrics` and for people. */
import { z } from 'zod'
import { type Call, defineCall, type DoctorCheck } from '../../protocol/index.ts'
import { prometheusText } from './meters.ts'
import type { Telemetry } from './telemetry.ts'

export function telemetryCalls(self: () => Promise<Telemetry>): readonly Call[] {
  return [
    defineCall({
      name: 'telemetry.metrics',
      summary: 'Shows what was counted of models, tools and turns since the guest started, in the text format of Prometheus.',
      input: z.strictObject({}),
      output: z.strictObject({
        text: z.string().describe('Prometheus 0.0.4.'),
        sent: z.int().describe('Spans that a collector has taken.'),
        dropped: z.int().describe('Spans that none has taken.'),
        waiting: z.int().describe('Spans that wait for one.'),
        problem: z.string().describe('Why the newest request to it failed; empty: it did not.'),
      }),
      example: {},
      tier: 'read_only',
      right: 'system.read',
      effect: 'none',
      audience: ['terminal'],
      labels: { adds: [], sink: false },
      timeoutMs: 30_000,
      recordOutput: ({ sent, dropped, waiting }) => ({ sent, dropped, waiting }),
      async run() {
        const telemetry = await self()
        const { sent, dropped, waiting, problem } = telemetry.state()
        return { output: { text: prometheusText(await telemetry.metrics()), sent, dropped, waiting, problem } }
      },
    }),
  ]
}

/** What `oxbow doctor` says of the collector. */
export function telemetryHealth({ problem, problems, sent, dropped, waiting }: ReturnType<Telemetry['state']>): DoctorCheck {
  const check = { name: 'telemetry', required: false, ms: 0 } as const
  const found = [...problems, ...(problem === '' ? [] : [problem])]
  const says = `${sent} spans sent, ${waiting} wait, ${dropped} were dropped`
  if (found.length === 0) return { ...check, state: 'ok', says, fix: '' }
  const fix = 'Check telemetry.endpoint, and that the collector runs; `oxbow config set telemetry.enabled false` switches it off.'
  return { ...check, state: 'weak', says: `${found.join('; ')}; ${says}`, fix }
}
