/** A room of src/rooms.json, in the order of what may import what. */
export interface Room {
  readonly room: string;
  readonly about: string;
}
export interface SourceFile {
  readonly path: string;
  readonly room: string;
  readonly text: string;
  readonly name: string | undefined;
  readonly about: string | undefined;
  readonly imports: readonly string[];
}
export function sourceFiles(folder?: string): readonly SourceFile[];
export function readRooms(folder?: string): readonly Room[];
export function problems(files: readonly SourceFile[], rooms: readonly Room[]): readonly string[];
export function mapOf(files: readonly SourceFile[], rooms: readonly Room[]): string;
export function withMap(text: string, map: string): string;
