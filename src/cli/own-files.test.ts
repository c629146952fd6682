import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, realpathSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { readCommand } from '../terminal/index.ts'
import { readCharacterText } from './characters/character-file.ts'
import { obey } from './chat/chat-commands.ts'
import { createAskUndo } from './chat/chat-undo.ts'
import { createConversation } from './chat/conversation.ts'
import type { GatewayPort } from './guest-connection.ts'
import { assertFile, findLocalFile, readNamed, uploadFiles } from './own-files.ts'
import type { Screen } from './screen/screen.ts'
import { saveMedia } from './verbs/media.ts'
import { maxAttachments, mediaIn } from '../protocol/index.ts'
import { mediaLine } from '../terminal/index.ts'

/** A chat over a gateway that keeps what it is given. `fails`: the next message is refused. */
function startChat() {
  const pieces: Buffer[] = []
  const sent: { text: string; attachments?: readonly { name: string; media_type: string; pieces?: readonly string[] }[] }[] = []
  const said: string[] = []
  const state = { fails: false }
  const gateway = {
    createSession: async () => ({ id: 's' }),
    follow: async () => ({ stop: () => {} }),
    sendTurn: async (message: (typeof sent)[number]) => {
      if (state.fails) throw new Error('refused')
      sent.push(message)
      return { turn: 't' }
    },
    call: async (_: string, { data }: { data: string }) => {
      pieces.push(Buffer.from(data, 'base64'))
      return { status: 'ok', output: { piece: `${pieces.length - 1}` } }
    },
  } as unknown as GatewayPort
  const screen = {
    line: (text: string) => said.push(text),
    exactLine: () => {},
    stream: () => {},
    prompt: () => {},
    close: () => {},
  } as Screen
  const conversation = createConversation({
    gateway,
    screen,
    recent: async () => [],
    user: 'default',
    workspaces: '/none',
    oneByOne: false,
    onLost: () => {},
  })
  const type = (line: string): Promise<void> => {
    const command = readCommand(line)
    return command === null
      ? conversation.send(line)
      : obey(command, { gateway, conversation, screen, leave: () => {}, askUndo: createAskUndo(gateway) })
  }
  return { type, pieces, sent, said, state }
}

function folder() {
  const path = mkdtempSync(join(tmpdir(), 'oxbow-attach-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) }
}

describe('/attach', () => {
  it('sends a file with the next message, in pieces, and with no other', async () => {
    using home = folder()
    const content = Buffer.alloc(5_000_000, 'oxen')
    writeFileSync(join(home.path, 'two  words.csv'), content)
    const { type, pieces, sent, said } = startChat()
    await type(`/attach ${join(home.path, 'two  words.csv')}`)
    assert.deepEqual(said, ['  attached to the next message: two words.csv (5.0 MB)'])
    await type('one')
    await type('two')
    assert.deepEqual(sent[0]?.attachments, [{ name: 'two  words.csv', media_type: 'text/csv', pieces: ['0', '1', '2'] }])
    assert.ok(Buffer.concat(pieces).equals(content))
    assert.equal(sent[1]?.attachments, undefined)
  })

  it('keeps the file when the message could not be sent, and detaches it without a name', async () => {
    using home = folder()
    writeFileSync(join(home.path, 'a'), 'a')
    const { type, sent, said, state } = startChat()
    await type(`/attach ${join(home.path, 'a')}`)
    state.fails = true
    await assert.rejects(type('one'))
    state.fails = false
    await type('again')
    assert.equal(sent[0]?.attachments?.length, 1)
    await type(`/attach ${join(home.path, 'a')}`)
    await type('/attach')
    await type('three')
    assert.equal(said.at(-2), '  no files are attached')
    assert.equal(sent[1]?.attachments, undefined)
  })

  it('refuses what cannot be sent at once', async () => {
    using home = folder()
    writeFileSync(join(home.path, 'a'), 'a')
    const { type } = startChat()
    await assert.rejects(type(`/attach ${home.path}`), { code: 'bad_input' })
    await assert.rejects(type(`/attach ${join(home.path, 'none')}`), { code: 'not_found' })
    for (let i = 0; i < maxAttachments; i++) await type(`/attach ${join(home.path, 'a')}`)
    await assert.rejects(type(`/attach ${join(home.path, 'a')}`), { code: 'limit_reached' })
  })
})

describe('what an agent has sent', () => {
  const media = { media_type: 'photo', name: '../\u001b[2Jx.png', mime_type: 'image/png', bytes: 3, pieces: ['p'], caption: '\u202ehi' }
  const gateway = {
    call: async () => ({ status: 'ok', output: { data: Buffer.from('png').toString('base64'), bytes: 3 } }),
  } as unknown as GatewayPort

  it('is shown without control characters, and is ignored in an invalid record', () => {
    assert.doesNotMatch(mediaLine(mediaIn({ media })!), /\p{C}/u)
    for (const body of [null, {}, { media: 1 }, { media: { ...media, pieces: 'p' } }, { media: { ...media, bytes: '3' } }]) {
      assert.equal(mediaIn(body), null)
    }
  })

  it('is written under a safe unused name, and only into the given folder', async () => {
    using home = folder()
    const first = await saveMedia(mediaIn({ media })!, { folder: home.path, workspaces: '/none' }, gateway)
    const second = await saveMedia(mediaIn({ media })!, { folder: home.path, workspaces: '/none' }, gateway)
    assert.deepEqual([first, second], [join(home.path, '[2Jx.png'), join(home.path, '2-[2Jx.png')])
    assert.equal(readFileSync(second, 'utf8'), 'png')
  })
})

/** A home with a secret of the person's next to the folder that an agent writes in. */
function house() {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'oxbow-own-')))
  const shared = join(root, 'oxbow/users/ada/shared')
  const workspaces = join(root, 'oxbow/users')
  mkdirSync(join(shared, 'folder'), { recursive: true })
  mkdirSync(join(root, '.ssh'))
  writeFileSync(join(root, '.ssh/key'), 'secret')
  writeFileSync(join(shared, 'folder/plain'), 'plain')
  const find = (path: string) => findLocalFile(join(root, path), workspaces)
  return { root, shared, workspaces, find, [Symbol.dispose]: () => rmSync(root, { recursive: true, force: true }) }
}

it('a file of the workspace is attached, but not through a link of an agent', async () => {
  using home = house()
  const { root, shared, find } = home
  symlinkSync(join(root, '.ssh/key'), join(shared, 'report.pdf'))
  symlinkSync('../../../../.ssh', join(shared, 'reports'))
  symlinkSync('folder', join(shared, 'within'))
  // A person's own links lead into the workspace, and to what they like.
  symlinkSync(shared, join(root, 'work'))
  symlinkSync(join(shared, 'report.pdf'), join(root, 'latest'))
  symlinkSync('.ssh/key', join(root, 'my-key'))
  assert.equal((await find('oxbow/users/ada/shared/folder/plain')).bytes, 5)
  assert.equal((await find('work/folder/plain')).bytes, 5)
  assert.equal((await find('my-key')).bytes, 6)
  const hostile = [
    'oxbow/users/ada/shared/report.pdf',
    'oxbow/users/ada/shared/reports/key',
    'work/report.pdf',
    'work/reports/key',
    'latest',
  ]
  for (const path of hostile) await assert.rejects(find(path), { code: 'bad_input', message: /is a link to/ }, path)
  await assert.rejects(find('work/within/plain'), { code: 'bad_input' }, 'a link within may lead elsewhere a moment later')
})

it('circular links and pipes without a writer do not block', { skip: process.platform === 'win32' }, async () => {
  using home = house()
  symlinkSync('loop', join(home.root, 'loop'))
  execFileSync('mkfifo', [join(home.shared, 'pipe')])
  await assert.rejects(home.find('loop'), { code: 'bad_input' })
  await assert.rejects(home.find('oxbow/users/ada/shared/pipe'), { code: 'bad_input', message: /is not a file/ })
})

it(
  'what is read to its end is a file or a pipe of the shell, never a named pipe or a device',
  { skip: process.platform === 'win32' },
  async () => {
    using home = house()
    const pipe = join(home.root, 'pipe')
    execFileSync('mkfifo', [pipe])
    const refused = { code: 'bad_input', message: /is not a file/ }
    for (const read of [readCharacterText, (file: string) => readNamed(file, '')])
      for (const file of [pipe, home.root, '/dev/zero']) await assert.rejects(read(file), refused)
    for (const file of ['/dev/stdin', '/dev/fd/63', join(home.root, 'missing')]) assertFile(file, '')
  },
)

it('a file that an agent replaces by a link after the check is not sent', async () => {
  using home = house()
  const file = await home.find('oxbow/users/ada/shared/folder/plain')
  renameSync(join(home.shared, 'folder'), join(home.shared, 'gone'))
  symlinkSync(join(home.root, '.ssh'), join(home.shared, 'folder'))
  writeFileSync(join(home.root, '.ssh/plain'), 'secret')
  const sent: string[] = []
  const gateway = { call: async (_: string, input: { data: string }) => void sent.push(input.data) } as unknown as Pick<GatewayPort, 'call'>
  await assert.rejects(uploadFiles([file], gateway), { code: 'bad_input' })
  assert.deepEqual(sent, [])
})
