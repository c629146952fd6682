/** Unix accounts, as the system's own programs know them: also accounts from a network directory. */
import { execFile } from 'node:child_process'
import { OxbowError } from '../../base/index.ts'
import { hostProgramMs } from '../daemon/limits.ts'

export interface Account {
  readonly name: string
  readonly uid: number
  readonly gid: number
  readonly home: string
}

/** Names as Debian's adduser takes them: no path, no option, no variable of a shell. */
export function isAccountName(name: string): boolean {
  return /^[a-z_][a-z0-9_-]{0,30}$/.test(name)
}

/** @throws OxbowError `bad_input` for an impossible name, and for accounts whose guest would not be separated; `not_found` */
export async function accountOf(name: string): Promise<Account> {
  if (!isAccountName(name)) throw oddName(name)
  const { exitCode, out } = await runProgram('getent', ['passwd', name])
  const [found, , uid, gid, , home] = out.trim().split(':')
  if (exitCode !== 0 || found !== name) {
    throw new OxbowError('not_found', `there is no Unix user ${name}`, { hint: `Make one first: useradd --create-home ${name}` })
  }
  const account = { name, uid: Number(uid), gid: Number(gid), home: home ?? '/' }
  if (!Number.isInteger(account.uid) || !Number.isInteger(account.gid) || account.uid <= 0 || account.uid === nobody) {
    throw new OxbowError('bad_input', `${name} has the user id ${uid}, which is shared by much else on this machine`, {
      hint: 'Choose the account of one person.',
    })
  }
  return account
}

export function oddName(name: string): OxbowError {
  return new OxbowError('bad_input', `${JSON.stringify(name.slice(0, 64))} cannot be the name of a Unix user`, {
    hint: 'Use up to 31 lowercase letters, digits, - and _, beginning with a letter or _.',
  })
}

/** Processes of many daemons have it. */
const nobody = 65_534

interface ProgramEnd {
  /** Null: it could not be started, or was ended. */
  readonly exitCode: number | null
  readonly out: string
  readonly err: string
}

/** A program of the system, with no variables of anybody. @param as whose rights it has; absent: of this process. Never rejects. */
export function runProgram(file: string, args: readonly string[], as?: Pick<Account, 'uid' | 'gid'>): Promise<ProgramEnd> {
  return new Promise((resolve) => {
    const options = {
      timeout: hostProgramMs,
      killSignal: 'SIGKILL',
      maxBuffer: maxProgramBytes,
      cwd: '/',
      env: { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C' },
      ...(as !== undefined && { uid: as.uid, gid: as.gid }),
    } as const
    const child = execFile(file, args, options, (error, out, err) => resolve({ exitCode: error === null ? 0 : child.exitCode, out, err }))
    child.stdin?.end()
  })
}

const maxProgramBytes: number = 1024 * 1024
