/** `oxbow heartbeat`: what is looked at without being asked. */
import { OxbowError } from '../../base/index.ts'
import { plainText } from '../../terminal/index.ts'
import type { AskCall, OutputOf, ServiceVerb } from '../../protocol/index.ts'

type HeartbeatView = OutputOf<'heartbeat.show'>

const minutes = { help: 'how long', unit: 60 } as const

export const heartbeatVerbs: readonly ServiceVerb[] = [
  {
    words: 'heartbeat',
    summary: 'let an agent look at HEARTBEAT.md and open goals by itself',
    examples: ['oxbow heartbeat on --quiet 22:00-07:00'],
  },
  {
    words: 'heartbeat show',
    summary: 'show whether it is on, and its messages',
    examples: ['oxbow heartbeat show'],
    call: 'heartbeat.show',
    omit: true,
  },
  {
    words: 'heartbeat on',
    summary: 'let it look at intervals, by default every 30 minutes',
    examples: ['oxbow heartbeat on', 'oxbow heartbeat on --every 60 --quiet 22:00-07:00 --zone Europe/Berlin --right file.write'],
    call: 'heartbeat.on',
    typed: {
      '--every <minutes>': { field: 'every_s', help: 'minutes between looks', unit: 60 },
      '--right <right>': { field: 'rights', help: 'a right within which it acts; repeat for more; without any it only proposes' },
      '--quiet <hours>': { field: '', help: 'when it does not look, such as 22:00-07:00' },
      '--zone <zone>': { field: '', help: 'time zone of these hours; default: this machine’s' },
      '--messages <n>': { field: 'messages_a_day', help: 'messages of a day' },
      '--tokens <n>': { field: 'tokens_a_day', help: 'tokens of a day' },
    },
    omit: true,
    input(input, { options: { quiet, zone } }) {
      if (typeof quiet !== 'string') {
        if (typeof zone !== 'string') return input
        throw new OxbowError('bad_input', '--zone is the time zone of quiet hours', { hint: 'Add them, such as --quiet 22:00-07:00.' })
      }
      const [, from, to] = /^(\d\d:\d\d)-(\d\d:\d\d)$/.exec(quiet) ?? []
      if (from === undefined || to === undefined)
        throw new OxbowError('bad_input', `${quiet} is not a part of a day`, { hint: 'Write it as 22:00-07:00.' })
      return { ...input, quiet: { from, to, time_zone: typeof zone === 'string' ? zone : '' } }
    },
  },
  { words: 'heartbeat off', summary: 'end it', examples: ['oxbow heartbeat off'], call: 'heartbeat.off' },
  {
    words: 'heartbeat now',
    summary: 'let it look once now, also where it is off, and say what came of it',
    examples: ['oxbow heartbeat now'],
    call: 'heartbeat.now',
    follow: async ({ last }: HeartbeatView, { ask, tell }: { ask: AskCall; tell: (text: string) => void }) => {
      const seen = last?.at ?? 0
      for (;;) {
        tell('looking')
        const heart = await ask('heartbeat.show', { wait_s: 30, seen })
        if ((heart.last?.at ?? 0) !== seen) return heart
      }
    },
    show: ({ last, messages }: HeartbeatView) => lookText(last, messages.at(-1)),
    fails: ({ last }: HeartbeatView) => (last?.came_to === 'failed' ? 'tool_failed' : null),
  },
  {
    words: 'heartbeat snooze [time]',
    summary: 'keep it from looking for a while, by default an hour',
    examples: ['oxbow heartbeat snooze', 'oxbow heartbeat snooze 2h', 'oxbow heartbeat snooze --for 120'],
    call: 'heartbeat.snooze',
    typed: {
      time: { field: '', help: 'how long: 45m, 2h or 1d, or minutes as a number' },
      '--for <minutes>': { field: 'seconds', ...minutes },
    },
    omit: true,
    input(input, { options: { time } }) {
      if (typeof time !== 'string') return input
      if (input['seconds'] !== hourSeconds)
        throw new OxbowError('bad_input', 'the time is given twice', { hint: `Give it once: oxbow heartbeat snooze ${time}` })
      return { ...input, seconds: secondsIn(time) }
    },
  },
]

/** What `--for` is where nobody has typed it. */
const hourSeconds = 3_600

const unitSeconds: ReadonlyMap<string, number> = new Map([
  ['', 60],
  ['m', 60],
  ['h', hourSeconds],
  ['d', 86_400],
])

function secondsIn(time: string): number {
  const [, number, unit = ''] = /^(\d{1,6}(?:\.\d+)?)([mhd]?)$/.exec(time) ?? []
  if (number === undefined) throw new OxbowError('bad_input', `${time} is not a length of time`, { hint: 'Write it as 45m, 2h or 1d.' })
  return Math.round(Number(number) * unitSeconds.get(unit)!)
}

const cameTo = {
  unchanged: 'There is nothing to look at: no HEARTBEAT.md in the workspace, and no open goal.',
  kept: 'It has something to say, and may say no more today: it comes with the next message.',
  nothing: 'It has nothing to say.',
  quiet: 'These are quiet hours.',
} as const

/** What a look came to. */
function lookText(last: HeartbeatView['last'], message: HeartbeatView['messages'][number] | undefined): string {
  if (last === null) return 'It has not looked yet.'
  if (last.came_to === 'message') return plainText(message?.text ?? '')
  return last.came_to === 'failed' ? plainText(last.why) : cameTo[last.came_to]
}
