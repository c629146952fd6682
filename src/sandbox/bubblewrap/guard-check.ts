/**
 * Whether mounts inside lead to what they were meant to: a sandbox that lives beside may have put a link there while this one was
 * started, and the launcher follows links. Asked of hands that have just started, before anybody else can ask them for anything.
 */
import { OxbowError } from '../../types/index.ts'
import type { Hands } from '../../types/index.ts'
import { guardCheckMs, maxMountTableBytes } from '../limits.ts'

interface Mount {
  readonly parent: string
  readonly device: string
  /** What of the file system is shown. */
  readonly root: string
  readonly point: string
}

/** @param paths below `/shared`. @throws OxbowError `sandbox_failed` when one of them is not what stands there; what hands throw */
export async function checkGuarded(hands: Hands, paths: readonly string[]): Promise<void> {
  const input = { command: 'cat /proc/self/mountinfo', cwd: '/tmp', stdin: '', timeoutMs: guardCheckMs, maxOutputBytes: maxMountTableBytes }
  const { stdout } = await hands.ask('exec', input, { signal: new AbortController().signal, timeoutMs: guardCheckMs })
  if (!standWhereTheyShould(stdout, paths)) {
    throw new OxbowError('sandbox_failed', 'A repository in the workspace was moved or replaced while the sandbox was started.', {
      hint: 'Try again when no command moves repositories.',
    })
  }
}

/** @param table as proc(5) describes mountinfo */
export function standWhereTheyShould(table: string, paths: readonly string[]): boolean {
  const mounts = new Map<string, Mount>()
  const idAt = new Map<string, string>()
  for (const line of table.split('\n')) {
    const [id = '', parent = '', device = '', root = '', point = ''] = line.split(' ')
    mounts.set(id, { parent, device, root, point })
    // The last one stands over those before it.
    idAt.set(point, id)
  }
  return paths.every((path) => {
    const mount = mounts.get(idAt.get(escaped(`/shared/${path}`)) ?? '')
    const above = mounts.get(mount?.parent ?? '')
    if (mount === undefined || above === undefined || !mount.point.startsWith(`${above.point}/`)) return false
    const root = `${above.root === '/' ? '' : above.root}${mount.point.slice(above.point.length)}`
    return mount.device === above.device && mount.root === root
  })
}

/** As the table writes blanks and the like. */
function escaped(path: string): string {
  return path.replaceAll(/[ \t\n\\]/g, (char) => `\\${char.charCodeAt(0).toString(8).padStart(3, '0')}`)
}
