/** `docs/control-socket.md`, from the schemas of the control socket. */
import { controlOperations, controlReply, controlRequest, maxControlBytes } from '../../src/protocol/index.ts'
import { code, page } from './markdown.ts'
import { fieldTable, schemaOf } from './schema-fields.ts'

/** What each is for, and who may ask. Test: every operation is here. */
const about: Readonly<Record<keyof typeof controlOperations, readonly [what: string, who: string]>> = {
  health: ['How the daemon is.', 'everybody'],
  status: ['States of users; without `user` of all whom the socket may ask about.', 'self, all'],
  start: ['Starts guests, which then run whenever the daemon does.', 'self, all'],
  stop: ['Stops guests, which then stay stopped.', 'self, all'],
  restart: ['Stops guests and starts them again.', 'self, all'],
  logs: ['The newest lines of the logs of a user, as `oxbow logs` prints them.', 'self, all'],
  users: ['Lists and changes users.', 'administrators; `list` of oneself'],
  config: ['Files of the configuration of a user, and what is wrong with them.', 'self, all'],
  events: ['What happened on the host, after a number.', 'one’s own, all'],
  upgrade: [
    'Changes the version of Oxbow, as `oxbow upgrade` and `oxbow downgrade` do. In system mode the packages of the machine do that, and it is refused.',
    'administrators',
  ],
  seal: ['System mode: signed heads of the journal of a user, a page at a time.', 'self'],
  sign_export: ['System mode: a signature of an export of the journal.', 'self'],
  sign_restore: ['System mode: signs that a store was restored.', 'self'],
}

export function controlPage(): string {
  return page(
    '# The control socket',
    `A program of this machine asks the daemon over a Unix socket: [daemon.md](daemon.md) says where the sockets are, and who can connect to which. A message is its length (u32, big-endian) and that many bytes of JSON in UTF-8, at most ${maxControlBytes / 1024} KiB. A client sends requests, up to 16 that are not answered yet; each has one reply with its id, in the order in which they are done. Times are unix milliseconds.`,
    '## Request',
    fieldTable(schemaOf(controlRequest))!,
    '## Reply',
    ...(schemaOf(controlReply).anyOf ?? []).map((each) => fieldTable(each)!),
    'An `id` that is empty is of a request that could not be read; the connection ends. `code` is one of [errors.md](errors.md).',
    '## Operations',
    ...Object.entries(controlOperations).flatMap(([name, { input, output }]) => {
      const [what, who] = about[name as keyof typeof controlOperations]
      const parts = [
        ['Input', fieldTable(schemaOf(input))],
        ['Output', fieldTable(schemaOf(output, 'output'))],
      ] as const
      return [
        `### ${code(name)}`,
        `${what} Who may ask: ${who}.`,
        ...parts.flatMap(([title, fields]) => (fields === null ? [`${title}: nothing.`] : [`${title}:`, fields])),
      ]
    }),
  )
}
