/** Servers that other programs of this machine have in files like .mcp.json; one is added as any other, with values of secrets by name. */
import type { ReactNode } from 'react'
import type { OutputOf } from '../../../../src/client/browser-client.ts'
import { plainText } from '../../../../src/terminal/index.ts'
import { useCall } from '../../data/calls.ts'
import { Button } from '../../ui/button.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { Empty, Loading, Problem } from '../../ui/states.tsx'
import { noPackage, type NpmFields } from './install-server.tsx'
import { noServer, type ServerFields } from './server-form.tsx'

type Found = OutputOf<'server.discover'>['servers'][number]

interface FoundServersProps {
  readonly onClose: () => void
  readonly onAdd: (start: ServerFields) => void
  readonly onInstall: (start: NpmFields) => void
}

export function FoundServers({ onClose, onAdd, onInstall }: FoundServersProps): ReactNode {
  const found = useCall('server.discover', {})
  const servers = found.data?.servers
  return (
    <Dialog title="Servers of other programs" isOpen onClose={onClose} isWide actions={<Button onClick={onClose}>Close</Button>}>
      {found.failure !== null && <Problem failure={found.failure} onRetry={found.refresh} />}
      {found.isLoading && <Loading label="Looking for them" />}
      {servers?.length === 0 && <Empty title="No file of another program names a server.">Add one by its command or address.</Empty>}
      <ul className="server-tools" aria-label="Found servers">
        {servers?.map((each) => (
          <li key={`${each.file} ${each.server}`} className="server-tool">
            <div className="server-tool-head">
              <strong>{plainText(each.server)}</strong>
              {npxPackage(each) === null ? (
                <Button size="s" onClick={() => onAdd(fieldsOf(each))}>
                  Add…
                </Button>
              ) : (
                <Button size="s" onClick={() => onInstall(npmFieldsOf(each))}>
                  Install…
                </Button>
              )}
            </div>
            <p className="server-text">{plainText(each.url === '' ? [each.command, ...each.args].join(' ') : each.url)}</p>
            <p className="soft small">{plainText(each.file)}</p>
          </li>
        ))}
      </ul>
    </Dialog>
  )
}

/** npx would fetch it at each start. @returns where the package stands in its arguments; null: npx does not start it */
function npxPackage({ command, args }: Found): number | null {
  const at = args.findIndex((arg) => !arg.startsWith('-'))
  return command === 'npx' && at >= 0 ? at : null
}

function npmFieldsOf(found: Found): NpmFields {
  const at = npxPackage(found) ?? 0
  return { ...noPackage, name: nameOf(found), package: found.args[at] ?? '', args: quoted(found.args.slice(at + 1)), env: lines(found.env) }
}

function fieldsOf(found: Found): ServerFields {
  const { command, args, url, env, headers } = found
  const how = url === '' ? 'command' : 'url'
  return { ...noServer, how, name: nameOf(found), command: quoted([command, ...args]), url, env: lines(env), headers: lines(headers) }
}

const nameOf = ({ server }: Found): string =>
  server
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, '-')
    .replace(/^[^a-z]+/, '')
    .slice(0, 24)

const quoted = (words: readonly string[]): string =>
  words.map((word) => (/[\s"']/.test(word) || word === '' ? (word.includes('"') ? `'${word}'` : `"${word}"`) : word)).join(' ')

/** A value that the file keeps to itself is typed, or named as a secret. */
const lines = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}`)
    .join('\n')
