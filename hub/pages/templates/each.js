// Acts on many servers, a few at the same time. `told` hears how many are left. Returns a line for each that failed.
async function forEach(all, nameOf, act, told = () => {}) {
  const AT_ONCE = 6;
  const left = [...all];
  const failed = [];
  const next = async () => {
    for (let one; (one = left.shift()); ) {
      await act(one).catch((error) => failed.push(nameOf(one) + ": " + error.message));
      told(left.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, next));
  return failed;
}
