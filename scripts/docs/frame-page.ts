/** `docs/frames.md`, from the schemas of the frames. */
import { clientFrameSchema, protocolVersion } from '../../src/protocol/index.ts'
import { serverPayloadSchemas } from '../../src/protocol/server-frames.ts'
import { code, page, table } from './markdown.ts'
import { fieldTable, type Schema, schemaOf } from './schema-fields.ts'

/** What people and programs want to do, and how each is asked and answered. Test: every frame and call that is named here exists. */
const tasks: readonly (readonly [task: string, asked: string, answered: string])[] = [
  ['connect', '`hello`', '`hello_ack` with the status'],
  ['send a message; again after a lost connection', '`send_turn` with the same `client_id`', '`ack`, then `record`, `delta`, `progress`'],
  ['follow a session; continue after a lost connection', '`subscribe` with the last cursor', '`record` …, `snapshot`, then live events'],
  ['know that a turn begins and ends', '`subscribe`', '`record` of `turn.send` with the phase `started`, then `outcome`'],
  ['stop one turn', '`cancel_turn`', '`result`, then the `outcome` with the status `cancelled`'],
  ['stop every turn', '`call` of `turn.cancel_all`', '`result` with the number of turns'],
  [
    'create, list, switch sessions',
    '`create_session`; `list_sessions` or `call` of `session.list`; `subscribe` to the other',
    '`result`; `snapshot`',
  ],
  [
    'rename, archive, delete, fork sessions',
    '`call` of `session.rename`, `session.archive`, `session.delete`, `session.fork`',
    '`result` with the outcome',
  ],
  ['ask whether the guest is healthy', '`status`; `call` of `system.health`', '`result`'],
  ['see that work goes on', '`subscribe`', '`progress`, with the output of a command'],
  ['receive files of the agent', '`subscribe`', '`record` of `media.send`, whose `pieces` `call` of `media.read`, or HTTP, returns'],
  ['send files', '`send_turn` with `attachments`; large ones first by `call` of `attachment.put`', '`ack`'],
  ['hear of scheduled work and of budgets', 'nothing', '`notice` with the kind `schedule_ended`, `schedule_disabled`, `budget_warning`'],
  [
    'decide what waits for approval',
    '`approve`; `call` of `call.decide`',
    '`record` with the phase `decided`; waiting calls are in `snapshot`',
  ],
  ['everything else', '`call`', '`result` with the outcome'],
]

export function framePage(): string {
  const client = (schemaOf(clientFrameSchema).oneOf ?? schemaOf(clientFrameSchema).anyOf ?? []).map((each) => ({
    type: String(each.properties?.['type']?.const),
    about: each.description ?? '',
    payload: each.properties?.['payload'] ?? {},
  }))
  const server = Object.entries(serverPayloadSchemas).map(([type, schema]) => {
    const payload = schemaOf(schema)
    return { type, about: payload.description ?? '', payload }
  })
  return page(
    '# Frames',
    `Terminals speak to the guest by a WebSocket at \`ws://HOST:PORT/ws\`. A frame is one JSON text, \`{"type": "…", "payload": {…}}\`, in snake_case. This is version ${protocolVersion} of the protocol; a guest refuses another one at \`hello\`. Fields that a guest does not know are ignored, so a newer terminal may send more.`,
    'The client sends `hello` first. Each of its frames has a `request_id` and gets exactly one answer: `hello_ack`, `ack`, `result`, `snapshot` or `error`. Everything else that comes is an event. Events with a cursor are records of the journal: a client that lost its connection subscribes again with the last cursor and misses none. `delta` and `progress` have no cursor; the text that was missed is in the `snapshot`.',
    'Who may connect, and with which rights: [http-api.md](http-api.md). The token or key goes into the header `Authorization: Bearer …`, or, in a browser, into the offered protocols: `oxbow, bearer.TOKEN`. A frame has at most 4 MiB; a connection has at most 256 requests without an answer. A reader that falls 16 MiB behind is disconnected with code 1013, one that is silent for 30 s without a word; a guest that stops closes with 1001.',
    '## What is asked how',
    table(['to', 'send', 'receive'], tasks),
    '## Frames of the client',
    ...client.map(section),
    '## Frames of the gateway',
    ...server.map(section),
  )
}

function section({ type, about, payload }: { readonly type: string; readonly about: string; readonly payload: Schema }): string {
  const fields = fieldTable(payload, payload.properties?.['code'] === undefined ? ['request_id'] : [])
  return [`### ${code(type)}`, about, ...(fields === null ? [] : [fields])].join('\n\n')
}
