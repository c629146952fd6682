/** `oxbow flow`: where labelled data came from, what was kept back because of it, and taking labels off one value. */
import { exactText, plainLine, plainText } from '../../terminal/index.ts'
import { isUuid, type JsonObject, OxbowError, textIn } from '../../base/index.ts'
import type { ServiceVerb } from '../../protocol/index.ts'
import { findSession } from '../typed-values.ts'

/** What is declassified, before it is. */
interface Value {
  readonly labels: readonly string[]
  readonly digest: string
  readonly content: string
}

export const flowVerbs: readonly ServiceVerb[] = [
  {
    words: 'flow',
    summary: 'show where private and untrusted data went, and let one value leave',
    examples: ['oxbow flow why 01890a5d-ac96-774b-bcce-b302099a8057', 'oxbow flow show'],
  },
  {
    words: 'flow why <id>',
    summary: 'explain the labels of a session, or how a call was judged',
    examples: ['oxbow flow why 01890a5d-ac96-774b-bcce-b302099a8057'],
    call: 'flow.why',
    async find(input, ask) {
      const id = textIn(input, 'id')
      // Ids of calls are whole, or have a dot.
      return isUuid(id) || id.includes('.') ? input : { ...input, id: (await findSession(ask, id)).id }
    },
  },
  {
    words: 'flow show [session]',
    summary: 'list files with labels and declassifications, or show the labels of a session',
    examples: ['oxbow flow show', 'oxbow flow show 01890a5d-ac96-774b-bcce-b302099a8057 --json'],
    call: 'flow.show',
    find: async (input, ask): Promise<JsonObject> =>
      input['session'] === undefined ? input : { session: (await findSession(ask, textIn(input, 'session'))).id },
  },
  {
    words: 'flow declassify <call-or-path>',
    summary: 'take the labels off the result of a call or a file; without --digest, show it',
    examples: [
      'oxbow flow declassify /shared/letter.txt',
      'oxbow flow declassify /shared/letter.txt --digest 9f86d081… --reason "it is published"',
    ],
    call: 'flow.declassify',
    typed: {
      'call-or-path': { field: '' },
      '--digest <digest>': { field: 'digest', help: 'of the content that you have seen' },
      '--reason <text>': { field: 'reason', help: 'why it may leave; for the record' },
    },
    omit: true,
    input(input, { options }) {
      const value = String(options['call-or-path'])
      const named = value.includes('/') ? { path: value } : { call: value }
      return input['digest'] === undefined ? named : { reason: '', ...input, ...named }
    },
    show(found: Value, { input, text, options }) {
      if (input['digest'] !== undefined) return plainText(text)
      const command = `oxbow flow declassify ${plainLine(String(options['call-or-path']), 4_096)} --digest ${found.digest} --reason "…"`
      return `${exactText(found.content)}\n\nThis is ${found.labels.join(' and ')}. To take that off:\n${command}`
    },
  },
  {
    words: 'flow revoke <id>',
    summary: 'take a declassification back',
    examples: ['oxbow flow revoke 01890a5d-ac96-774b-bcce-b302099a8057'],
    call: 'flow.revoke',
    async preview(input, ask) {
      const found = (await ask('flow.show', {})).done.find((one) => one.id === input['id'])
      if (found !== undefined) return { would: `revoke the declassification of ${found.path || found.call}`, target: found }
      throw new OxbowError('not_found', `There is no declassification ${textIn(input, 'id')}.`, { hint: '`oxbow flow show` lists them.' })
    },
    show: (_, { name }) => `Revoked ${name}: its labels count again.`,
  },
]
