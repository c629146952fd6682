/** Sessions of a real sandbox in short words, for tests. */
import type { HandsOps } from '../../protocol/index.ts'
import { asker } from '../sandbox-contract.ts'
import type { Workbench } from '../sandbox-fixture.ts'

type Read = HandsOps['sessionRead']

export interface SessionBench {
  readonly ask: ReturnType<typeof asker>
  /** @returns the id */
  shell(terminal?: boolean): Promise<string>
  job(command: string): Promise<string>
  /** Reads until the shell waits, or the session ends. */
  read(id: string, more?: Partial<Read['input']>): Promise<Read['output']>
  /** Writes a line and reads what came of it. */
  type(id: string, line: string, more?: Partial<Read['input']>): Promise<Read['output']>
  press(id: string, ...keys: HandsOps['sessionWrite']['input']['keys']): Promise<Read['output']>
  /** Reads until the output holds this. */
  seen(id: string, pattern: RegExp): Promise<string>
  close(id: string): Promise<HandsOps['sessionClose']['output']>
  exec(command: string): Promise<string>
}

const owner = 'one'

export function sessionBench(bench: Workbench): SessionBench {
  const ask = asker(bench.sandbox)
  const open = async (kind: 'shell' | 'job', command: string, terminal: boolean) => {
    const size = terminal ? { columns: 120, rows: 30 } : null
    return (await ask('sessionOpen', { owner, kind, command, cwd: '/shared', terminal: size })).id
  }
  const read = (id: string, more: Partial<Read['input']> = {}) => {
    const patient = { waitMs: 20_000, until: 'quiet', quietMs: 20_000 } as const
    return ask('sessionRead', { owner, id, from: 0, maxBytes: 100_000, plain: true, ...patient, ...more })
  }
  const write = async (id: string, text: string, keys: HandsOps['sessionWrite']['input']['keys'], more: Partial<Read['input']> = {}) => {
    const { total } = await ask('sessionWrite', { owner, id, text, keys })
    return read(id, { from: total, ...more })
  }
  return {
    ask,
    shell: (terminal = false) => open('shell', '', terminal),
    job: (command) => open('job', command, false),
    read,
    type: (id, line, more) => write(id, `${line}\n`, [], more),
    press: (id, ...keys) => write(id, '', keys),
    async seen(id, pattern) {
      for (let from = 0, text = '', tries = 0; tries < 1_000; tries += 1) {
        const page = await read(id, { from, until: 'output', quietMs: 1 })
        text += page.text
        from = page.next
        if (pattern.test(text)) return text
        if (page.ended !== null) throw new Error(`it ended, and said ${text}`)
      }
      throw new Error('not seen')
    },
    close: (id) => ask('sessionClose', { owner, id }),
    async exec(command) {
      const { stdout, stderr } = await ask('exec', { command, cwd: '/shared', stdin: '', timeoutMs: 20_000, maxOutputBytes: 100_000 })
      return stdout + stderr
    },
  }
}
