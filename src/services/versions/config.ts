/** `[versions]`: what is kept of the workspace. */
import { configSection, type SettingsOf } from '../../config/index.ts'

export const versionsConfig = configSection('versions', (by) =>
  by.strictObject({
    enabled: by.boolean().default(true).describe('Commit what calls change, before and after, so that it can be undone.'),
    max_file_mb: by
      .number()
      .min(0.1)
      .max(24)
      .default(10)
      .describe('Larger files are kept next to the repository, once for each content, up to 4 GB.'),
    ignore: by
      .array(by.string().min(1).max(255))
      .max(100)
      .default(['node_modules', '.venv', '__pycache__', '.DS_Store'])
      .describe(
        'Names of files and folders that versions leave out; `*` is any text. So are repositories (`.git`). A file that a call names has a version all the same.',
      ),
  }),
)
export type VersionsConfig = SettingsOf<typeof versionsConfig>

/** @returns whether versions hold what is at a path of the workspace */
export function versionedBy({ enabled, ignore }: VersionsConfig): (path: string) => boolean {
  if (!enabled) return () => false
  const patterns = ['.git', ...ignore].map((name) => name.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '.*'))
  const unversioned = new RegExp(`^(?:${patterns.join('|')})$`, 'si')
  return (path) => !path.split('/').some((name) => unversioned.test(name))
}
