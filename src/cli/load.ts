/** `--load`: how much of the time a long conversion works. */
import { Option } from 'commander';

export function loadOption(): Option {
  return new Option('--load <share>', 'the share of the time that is spent working, 1 for as fast as it goes')
    .default(0.5)
    .argParser(Number);
}
