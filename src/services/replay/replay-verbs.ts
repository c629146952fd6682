/** `oxbow replay`, `fork` and `sessions diff`. */
import { formatMs, plainLine, plainText } from '../../terminal/index.ts'
import { plural, textIn } from '../../base/index.ts'
import type { OutputOf, ServiceVerb } from '../../protocol/index.ts'
import { diffText, foundPoint } from '../session-points.ts'

type Replayed = OutputOf<'session.replay'>

const pointHelp = 'a session, and a message and a step of it: 019a, 019a@3, 019a@3.2'

/** Exit code of a replay that diverged, and of runs that differ, as of `diff`. */
const differs = 1

export const replayVerbs: readonly ServiceVerb[] = [
  {
    words: 'replay <session>',
    summary: 'run a session again offline from its records, and name the first thing that is asked for otherwise',
    examples: ['oxbow replay 019a', 'oxbow replay 019a@3', 'oxbow replay 019a@3.2 --json'],
    call: 'session.replay',
    typed: { session: { field: 'session', help: pointHelp } },
    omit: true,
    find: async (input, ask) => await foundPoint(textIn(input, 'session'), ask),
    show: replayText,
    fails: ({ divergence }: Replayed) => (divergence === null ? null : differs),
  },
  {
    words: 'fork <session>',
    summary: 'start a new session from a point in another one, on a branch of the files as they were then',
    examples: ['oxbow fork 019a@3', 'oxbow fork 019a@3.2 --model anthropic/claude-sonnet-4-5', 'oxbow fork 019a --no-files'],
    call: 'session.fork',
    typed: {
      session: { field: 'session', help: pointHelp },
      '--model <model>': { field: 'model', help: 'the model that answers in the new session' },
      '--title <title>': { field: 'title', help: 'title of the new session' },
      '--no-files': { field: '', help: 'work on the files as they are now' },
    },
    omit: true,
    async find(input, ask, options) {
      const { session, turn, step } = await foundPoint(textIn(input, 'session'), ask)
      return {
        ...input,
        session,
        ...(turn !== undefined && { message: turn }),
        ...(step !== undefined && { step }),
        files: options['files'] !== false,
      }
    },
    show: ({ session, branch }: OutputOf<'session.fork'>) =>
      `${session} continues from there${branch === '' ? '' : `, on the branch of files ${branch}`}. Open it with: oxbow chat --session ${session}`,
  },
  {
    words: 'sessions diff <session> <other>',
    summary: 'compare two sessions or turns: messages, requests, answers, calls, files, cost and time',
    examples: ['oxbow sessions diff 019a 019b', 'oxbow sessions diff 019a@3 019b@3'],
    call: 'session.diff',
    // A point is no field as it is typed.
    typed: { session: { field: '', help: pointHelp }, other: { field: '', help: 'another one, or another point of it' } },
    omit: true,
    find: async (_, ask, { session, other }) => ({
      a: await foundPoint(String(session), ask),
      b: await foundPoint(String(other), ask),
    }),
    show: diffText,
  },
]

function replayText({ turns, steps, calls, compared, ms, divergence }: Replayed): string {
  const speed = ms > 0 ? `, ${Math.round((steps * 1_000) / ms)} steps a second` : ''
  const ran = `${plural(turns, 'turn')}, ${plural(steps, 'step')} and ${plural(calls, 'call')} in ${formatMs(ms)}${speed}`
  const words =
    compared === steps
      ? ''
      : `\n${plural(steps - compared, 'request')} of these ${steps - compared === 1 ? 'is' : 'are'} known by counts only: model.recording = "raw" keeps the words.`
  if (divergence === null) return `Nothing diverges: ${ran}.${words}`
  const { turn, step, what, where, was, now } = divergence
  return [
    `Message ${turn}, step ${step} diverges: ${nouns[what]}, ${plainLine(where, 300)}.`,
    `then: ${plainText(was) || '(nothing)'}`,
    `now:  ${plainText(now) || '(nothing)'}`,
    `Up to there: ${ran}.${words}`,
  ].join('\n')
}

const nouns = {
  request: 'the request to the model',
  call: 'a call',
  answer: 'the answer of the model',
  end: 'the end of the turn',
} as const
