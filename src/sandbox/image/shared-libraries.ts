/** The libraries that programs of the host need to run somewhere else, as the loader itself names them. */
import { runOnHost } from './host-command.ts'

/** As many as fit into one run of ldd, which is a script that takes 20 ms for each start. */
const batch = 50

/** @param programs absolute paths. Scripts and static programs need nothing. @returns absolute paths, the loader among them. */
export async function sharedLibraries(ldd: string, programs: readonly string[]): Promise<readonly string[]> {
  const found = new Set<string>()
  for (let at = 0; at < programs.length; at += batch) {
    const { stdout } = await runOnHost(ldd, programs.slice(at, at + batch))
    for (const path of parseLdd(stdout)) found.add(path)
  }
  return [...found].sort()
}

/** `libc.so.6 => /lib/libc.so.6 (0x7f…)`, and the loader as `/lib64/ld-linux.so.2 (0x7f…)`; headings end with a colon. */
export function parseLdd(said: string): readonly string[] {
  return said.split('\n').flatMap((line) => /^\t(?:\S+ => )?(\/\S+) \(0x[0-9a-f]+\)$/.exec(line)?.[1] ?? [])
}
