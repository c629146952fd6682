/** The heartbeat: whether it looks by itself, when next, its rights, and what it has said. */
import { HeartPulse } from 'lucide-react'
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { useAction, useCall } from '../../data/calls.ts'
import { Codes, PlainFile, Thing } from '../../shelf/thing.tsx'
import { Button } from '../../ui/button.tsx'
import { Facts, Time } from '../../ui/layout.tsx'
import { countText } from '../../ui/numbers.ts'
import { Loading, Problem, ProblemLine } from '../../ui/states.tsx'

type Heartbeat = OutputOf<'heartbeat.show'>

const showEveryMs = 15_000
const hourS = 3_600

export function HeartbeatPanel(): ReactNode {
  const shown = useCall('heartbeat.show', { wait_s: 0, seen: 0 }, { refreshOn: ['heartbeat_*'], everyMs: showEveryMs })
  const changing = useAction()
  if (shown.failure !== null) return <Problem failure={shown.failure} onRetry={shown.refresh} />
  const heart = shown.data
  if (heart === undefined) return <Loading />
  const { on, every_s: every, rights, quiet, messages_a_day: messages, tokens_a_day: tokens } = heart
  const settings = { every_s: every, rights: [...rights], messages_a_day: messages, tokens_a_day: tokens, ...(quiet !== null && { quiet }) }
  const done = async (call: Promise<unknown>): Promise<void> => {
    if ((await call) !== undefined) shown.refresh()
  }
  const look = async (): Promise<void> => {
    const begun = await changing.run('heartbeat.now', {})
    if (begun !== undefined) await done(changing.run('heartbeat.show', { wait_s: 60, seen: begun.last?.at ?? 0 }))
  }
  return (
    <Thing
      title="Heartbeat"
      state={on ? (heart.snoozed_until === null ? ['on', 'good'] : ['snoozed', 'warn']) : ['off', 'neutral']}
      why="It looks at `HEARTBEAT.md` at the top of the workspace and at open goals, and asks a model only where they have changed."
      actions={
        <>
          {on ? (
            <>
              <Button size="s" isBusy={changing.isBusy} onClick={() => void done(changing.run('heartbeat.snooze', { seconds: hourS }))}>
                Snooze for an hour
              </Button>
              <Button size="s" isBusy={changing.isBusy} onClick={() => void done(changing.run('heartbeat.off', {}))}>
                Turn off
              </Button>
            </>
          ) : (
            <Button size="s" variant="primary" isBusy={changing.isBusy} onClick={() => void done(changing.run('heartbeat.on', settings))}>
              Turn on
            </Button>
          )}
          <Button size="s" icon={<HeartPulse />} isBusy={changing.isBusy} onClick={() => void look()}>
            Look now
          </Button>
        </>
      }
    >
      <ProblemLine failure={changing.failure} />
      <Facts facts={factsOf(heart)} />
      {heart.messages.length > 0 && <h3>Messages</h3>}
      {heart.messages.toReversed().map(({ at, text }) => (
        <div key={`${at} ${text}`}>
          <Time at={at} />
          <PlainFile name="Message" text={text} />
        </div>
      ))}
    </Thing>
  )
}

const lookTexts = {
  unchanged: 'nothing has changed, so no model was asked',
  quiet: 'quiet hours',
  nothing: 'nothing to say',
  message: 'a message',
  kept: 'a message, which comes with the next: too many that day',
  failed: 'it failed',
} as const

function factsOf(heart: Heartbeat): readonly (readonly [string, ReactNode])[] {
  const { on, every_s: every, rights, quiet, next_at: next, last } = heart
  return [
    ...(on ? ([['Looks', `every ${Math.round(every / 60)} minutes`]] as const) : []),
    ...(next === null ? [] : ([['Next', <Time key="next" at={next} />]] as const)),
    ['Acts with', <Codes key="rights" of={rights} none="no rights: it only proposes" />],
    ['Quiet', quiet === null ? 'never' : `${quiet.from} to ${quiet.to} ${quiet.time_zone}`.trim()],
    [
      'Today',
      `${heart.sent_today} of ${heart.messages_a_day} messages, ${countText(heart.tokens_today)} of ${countText(heart.tokens_a_day)} tokens`,
    ],
    ...(last === null
      ? []
      : ([
          [
            'Last look',
            <span key="last">
              <Time at={last.at} />: {lookTexts[last.came_to]}
              {last.why === '' ? '' : `: ${last.why}`}
            </span>,
          ],
        ] as const)),
  ]
}
